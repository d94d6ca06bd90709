//! The process's one TLS provider.

/// Makes `ring` the provider, unless one is chosen already. Every HTTP client is made after a call of this.
pub fn provide() {
    // Fails only when a provider is installed already, which serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
