//! The log: `defmt` on boards, `log` on the host, by feature; nothing without either. The only place that knows.
//!
//! Arguments are given as `Show(value)` or `Debug(value)`, so that one line serves both loggers.

/// A value by its `Display`, for both loggers.
pub(crate) struct Show<T>(pub(crate) T);

impl<T: core::fmt::Display> core::fmt::Display for Show<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(feature = "defmt")]
impl<T: core::fmt::Display> defmt::Format for Show<T> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::Format::format(&defmt::Display2Format(&self.0), f);
    }
}

/// A value by its `Debug`, for both loggers.
pub(crate) struct Debug<T>(pub(crate) T);

impl<T: core::fmt::Debug> core::fmt::Display for Debug<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(feature = "defmt")]
impl<T: core::fmt::Debug> defmt::Format for Debug<T> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::Format::format(&defmt::Debug2Format(&self.0), f);
    }
}

macro_rules! info {
    ($format:literal $(, $argument:expr)*) => {{
        #[cfg(feature = "defmt")]
        ::defmt::info!($format $(, $argument)*);
        #[cfg(feature = "log")]
        ::log::info!($format $(, $argument)*);
        #[cfg(not(any(feature = "defmt", feature = "log")))]
        let _ = ($(&$argument,)*);
    }};
}

macro_rules! warning {
    ($format:literal $(, $argument:expr)*) => {{
        #[cfg(feature = "defmt")]
        ::defmt::warn!($format $(, $argument)*);
        #[cfg(feature = "log")]
        ::log::warn!($format $(, $argument)*);
        #[cfg(not(any(feature = "defmt", feature = "log")))]
        let _ = ($(&$argument,)*);
    }};
}

pub(crate) use {info, warning};
