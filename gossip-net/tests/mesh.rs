//! Tests over real QUIC on loopback.
