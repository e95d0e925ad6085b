//! Ethernet links with faults.
