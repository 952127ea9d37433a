//! Build contexts: walk, .dockerignore, tar, digests.
