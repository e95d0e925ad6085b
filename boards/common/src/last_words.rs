//! What a panic said, kept over the reset that follows it.

use core::fmt::Write as _;
use core::panic::PanicInfo;

use gatelet_hal::Kept;
use heapless::String;

/// 240 bytes of text in memory that a reset leaves alone.
pub struct LastWords(Kept<60>);

impl LastWords {
    /// For a static in a section that nobody fills at start.
    #[expect(clippy::new_without_default, reason = "const, for statics, is the only use")]
    pub const fn new() -> Self {
        Self(Kept::new())
    }

    /// Keeps where and why it panicked.
    pub fn keep(&self, info: &PanicInfo<'_>) {
        let mut text = String::<240>::new();
        // As much as fits.
        let _ = write!(text, "{info}");
        self.0.put(text.as_bytes());
    }

    /// What was said before the last reset, once.
    pub fn take(&self) -> Option<String<240>> {
        let mut bytes = [0; 240];
        let bytes = self.0.take(&mut bytes)?;
        // Cut in the middle of a letter, perhaps.
        let text = str::from_utf8(bytes)
            .unwrap_or_else(|error| str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default());
        text.try_into().ok()
    }
}
