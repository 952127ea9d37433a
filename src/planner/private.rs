//! Which values could be secret, and so are never shown.

/// Words in a variable's name that say its value is a secret.
const WORDS: &[&str] = &[
    "PASS",
    "PWD",
    "SECRET",
    "TOKEN",
    "KEY",
    "CREDENTIAL",
    "AUTH",
    "PRIVATE",
    "DSN",
    "DATABASE_URL",
    "CONNECTION_STRING",
    "SALT",
];

/// Tells whether a variable's value could be secret, by its name or since it is an address with a password in it.
pub fn is_private(key: &str, value: &str) -> bool {
    looks_secret(key) || holds_credentials(value)
}

/// Tells whether a variable's name says that its value is secret.
pub(crate) fn looks_secret(key: &str) -> bool {
    let key = key.to_ascii_uppercase();
    WORDS.iter().any(|word| key.contains(word))
}

/// Tells whether a value is an address with a password in it, as proxies and databases have them.
fn holds_credentials(value: &str) -> bool {
    let authority = value.split_once("://").map(|(_, rest)| rest.split(['/', '?']).next().unwrap_or_default());
    authority.is_some_and(|authority| authority.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_names_are_known() {
        for key in ["POSTGRES_PASSWORD", "api_key", "DATABASE_URL", "AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN"] {
            assert!(looks_secret(key), "{key}");
        }
        for key in ["DEBUG", "PORT", "PATH", "LANG"] {
            assert!(!looks_secret(key), "{key}");
        }
    }

    #[test]
    fn addresses_with_a_password_are_known() {
        assert!(holds_credentials("postgres://u:p@db/x") && holds_credentials("http://u@proxy:3128"));
        assert!(!holds_credentials("http://proxy:3128/@x") && !holds_credentials("a@b"));
    }
}
