//! TLS, compression and limits: one server side, one client side, for gRPC and HTTP.
