//! Shortened years.
