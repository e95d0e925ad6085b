//! The router's side on the LAN.
