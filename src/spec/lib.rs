//! Compose sources in, one resolved Project out.
