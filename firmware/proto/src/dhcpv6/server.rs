//! The stateless server of the LAN.
