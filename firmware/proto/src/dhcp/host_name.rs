//! The name a client gives itself, made fit for the DNS.

use heapless::String;

/// Bytes of a host name that are kept. A label of the DNS may have 63 (RFC 1035 §2.3.4), but a lease
/// is to fit 64 bytes, and names that people give their devices are shorter.
pub const HOST_NAME_MAX: usize = 31;

/// A host name: one label of lower-case letters, digits and inner hyphens (RFC 1123 §2.1), or empty.
pub type HostName = String<HOST_NAME_MAX, u8>;

/// Makes a host name of what stands in option 12.
///
/// A domain behind the name is cut off, letters become lower-case, each run of anything else becomes
/// one hyphen ("Wang's iPad" is `wang-s-ipad`), and what is beyond [`HOST_NAME_MAX`] is cut off.
pub(super) fn host_name(octets: impl Iterator<Item = u8>) -> HostName {
    let mut name = HostName::new();
    let mut is_replaced = false;
    for octet in octets.take_while(|octet| !matches!(octet, b'.' | 0)) {
        let fits = octet.is_ascii_alphanumeric() || octet == b'-';
        if (!fits && is_replaced) || (name.is_empty() && !octet.is_ascii_alphanumeric()) {
            continue;
        }
        is_replaced = !fits;
        let letter = if fits { char::from(octet.to_ascii_lowercase()) } else { '-' };
        if name.push(letter).is_err() {
            break;
        }
    }
    while name.ends_with('-') {
        name.pop();
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made_of(text: &str) -> HostName {
        host_name(text.bytes())
    }

    #[test]
    fn names_become_labels() {
        for (given, kept) in [
            ("printer", "printer"),
            ("DESKTOP-4F2K", "desktop-4f2k"),
            ("Wang's iPad", "wang-s-ipad"),
            ("nas.example.org", "nas"),
            ("xn--fiq228c", "xn--fiq228c"),
            ("王的电视", ""),
            ("TV 客厅", "tv"),
            ("__android__1", "android-1"),
            ("--a--", "a"),
            ("printer\0", "printer"),
            ("", ""),
        ] {
            assert_eq!(made_of(given), kept, "{given:?}");
        }
    }

    #[test]
    fn a_long_name_is_cut_and_ends_in_no_hyphen() {
        assert_eq!(made_of(&"a".repeat(300)).len(), HOST_NAME_MAX);
        let hyphen_last = ["a"; HOST_NAME_MAX - 1].concat() + "-b";
        assert_eq!(made_of(&hyphen_last), ["a"; 30].concat().as_str());
    }
}
