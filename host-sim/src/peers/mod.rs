//! Simulated peers: access concentrators and what stands behind them.
