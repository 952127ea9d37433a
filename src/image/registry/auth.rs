//! Tokens. Source: distribution, "Token Authentication Specification" and "OAuth2 Token Authentication".

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use ureq::http::{Method, StatusCode, header};

use super::address::{Address, Url, escaped};
use super::answer::Answer;
use super::challenge::Challenge;
use super::request::{Ask, Content};
use super::{Client, Login, locked, transport};
use crate::error::{ImageError, Problem};
use crate::progress::Watch;

/// How long a token is good that does not say so. Source: the specification, `expires_in`.
const DEFAULT_LIFE: u64 = 60;
/// How long before its end a token is not used any more.
const MARGIN: Duration = Duration::from_secs(10);
/// The name by which this client asks for OAuth2 tokens.
const CLIENT_ID: &str = "rcompose";

/// A value of `Authorization`, and until when it is good.
#[derive(Clone)]
pub(super) struct Token {
    value: String,
    until: Option<Instant>,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("until", &self.until).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Given {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

impl Client {
    /// Returns the token that is known for these rights.
    pub(super) fn known_token(&self, address: &Address, scope: &str) -> Option<String> {
        let key = (address.host.clone(), scope.to_owned());
        let tokens = locked(&self.tokens);
        let token = tokens.get(&key)?;
        token.until.is_none_or(|until| Instant::now() < until).then(|| token.value.clone())
    }

    /// Gets a token for these rights, as the registry's answer says; nothing where nobody is known to it.
    pub(super) fn token(&self, address: &Address, scope: &str, refused: &Answer, watch: &Watch<'_>) -> Result<Option<String>, ImageError> {
        let headers = refused.response.headers().get_all(header::WWW_AUTHENTICATE);
        let challenge = Challenge::read(headers.iter().filter_map(|it| it.to_str().ok()));
        let login = (self.registries.keychain)(&address.name)
            .map_err(|error| transport(&address.name, "finding credentials", error))?
            .unwrap_or_default();
        let token = match challenge {
            None => return Ok(None),
            Some(Challenge::Basic) => basic(&login).map(|value| Token { value, until: None }),
            Some(Challenge::Bearer { realm, service, scope: wanted }) => match &login.registry_token {
                Some(token) => Some(Token { value: format!("Bearer {token}"), until: None }),
                None => {
                    let scope = if scope.is_empty() { wanted.unwrap_or_default() } else { scope.to_owned() };
                    Some(self.bearer(address, &login, &realm, service.as_deref(), &scope, watch)?)
                }
            },
        };
        Ok(token.map(|token| {
            let value = token.value.clone();
            locked(&self.tokens).insert((address.host.clone(), scope.to_owned()), token);
            value
        }))
    }

    fn bearer(
        &self,
        address: &Address,
        login: &Login,
        realm: &str,
        service: Option<&str>,
        scope: &str,
        watch: &Watch<'_>,
    ) -> Result<Token, ImageError> {
        let refuse = |why: String| ImageError::registry(&address.name, Problem::Challenge { why });
        let url = Url::parse(realm).ok_or_else(|| refuse("its realm is no address".into()))?;
        if url.scheme == "http" && !self.may_be_plain(&url.host) {
            return Err(refuse(format!("it sends to {} without TLS", url.host)));
        }
        let what = "a token";
        // Another host than the registry's own: nothing that is known of this one holds there.
        let there = Address {
            name: address.name.clone(),
            host: url.host.clone(),
            scheme: Some(url.scheme.clone()),
            prefix: String::new(),
            mirrors: None,
        };
        let answer = if let Some(refresh) = &login.identity_token {
            let form = [
                ("grant_type", "refresh_token"),
                ("service", service.unwrap_or_default()),
                ("client_id", CLIENT_ID),
                ("scope", scope),
                ("refresh_token", refresh),
            ];
            let form = form.map(|(key, value)| format!("{key}={}", escaped(value))).join("&");
            let ask = Ask::new(Method::POST, what, "").with(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
            self.ask_for_token(&there, url, &ask.sending(Content::Bytes(form.as_bytes())), watch)?
        } else {
            let mut url = url;
            if let Some(service) = service {
                url = url.with("service", service);
            }
            for scope in scope.split(' ').filter(|it| !it.is_empty()) {
                url = url.with("scope", scope);
            }
            let mut ask = Ask::new(Method::GET, what, "");
            if let Some(value) = basic(login) {
                url = url.with("client_id", CLIENT_ID);
                ask = ask.with(header::AUTHORIZATION, value);
            }
            self.ask_for_token(&there, url, &ask, watch)?
        };
        let logged_in = basic(login).is_some() || login.identity_token.is_some();
        let answer = Answer { logged_in, ..answer };
        if answer.status() != StatusCode::OK {
            return Err(answer.problem(&address.name, what));
        }
        let bytes = answer.small(&address.name, what)?;
        let given: Given = serde_json::from_slice(&bytes).map_err(|_| refuse("what it gave is no token".into()))?;
        // The value goes into a header, which takes no line ends.
        let fits = |token: &String| !token.is_empty() && token.bytes().all(|it| it.is_ascii_graphic());
        let token = given
            .token
            .or(given.access_token)
            .filter(fits)
            .ok_or_else(|| refuse("what it gave is no token".into()))?;
        let life = Duration::from_secs(given.expires_in.unwrap_or(DEFAULT_LIFE)).saturating_sub(MARGIN);
        Ok(Token { value: format!("Bearer {token}"), until: Instant::now().checked_add(life) })
    }

    /// Finds out whether a registry knows who asks; fails where it does not.
    pub fn check_login(&self, registry: &str, watch: &Watch<'_>) -> Result<(), ImageError> {
        let address = Address::of(registry);
        let ask = Ask::new(Method::GET, "the registry", "");
        let answer = self.ask(&address, &address.path(""), &ask, watch)?;
        if answer.status() == StatusCode::OK {
            Ok(())
        } else {
            Err(answer.problem(registry, "the registry"))
        }
    }
}

fn basic(login: &Login) -> Option<String> {
    let (user, password) = (login.username.as_ref()?, login.password.as_ref()?);
    Some(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
}
