//! Test parts: scripted peers, the simulated pair, real peers.
