//! Values that several flags share.

use std::time::Duration;

/// Reads `SERVICE=NUMBER` of `--scale`.
pub(crate) fn scale(text: &str) -> Result<(String, u32), String> {
    let (service, number) = text.split_once('=').ok_or_else(|| String::from("write SERVICE=NUMBER, such as web=3"))?;
    if service.is_empty() {
        return Err(String::from("the service before `=` is missing"));
    }
    let number = number.parse().map_err(|_| format!("`{number}` is not a number of replicas"))?;
    Ok((service.to_owned(), number))
}

/// Reads a length of time in whole seconds. Below zero there is no limit, as with docker compose.
pub(crate) fn seconds(text: &str) -> Result<i64, String> {
    text.parse().map_err(|_| format!("`{text}` is not a number of seconds"))
}

/// Turns the seconds of `--timeout` into a grace period; below zero a container gets all the time it takes.
pub(crate) fn grace(seconds: Option<i64>) -> Option<Duration> {
    // An engine counts whole seconds in 32 bits: that is 68 years.
    seconds.map(|it| Duration::from_secs(u64::try_from(it).unwrap_or(i32::MAX as u64)))
}

/// Reads `KEY=VALUE` or `KEY`.
pub(crate) fn pair(text: &str) -> Result<(String, Option<String>), String> {
    let (key, value) = match text.split_once('=') {
        Some((key, value)) => (key, Some(value.to_owned())),
        None => (text, None),
    };
    if key.is_empty() {
        return Err(format!("`{text}` has no name before `=`"));
    }
    Ok((key.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_names_a_service_and_a_number() {
        assert_eq!(scale("web=3"), Ok(("web".into(), 3)));
        assert!(scale("web").is_err() && scale("=3").is_err() && scale("web=x").is_err() && scale("web=-1").is_err());
    }

    #[test]
    fn a_grace_below_zero_is_without_limit() {
        assert_eq!(grace(Some(0)), Some(Duration::ZERO));
        assert_eq!(grace(Some(-1)), Some(Duration::from_secs(2_147_483_647)));
        assert_eq!(grace(None), None);
    }

    #[test]
    fn a_pair_may_lack_its_value() {
        assert_eq!(pair("A=b=c"), Ok(("A".into(), Some("b=c".into()))));
        assert_eq!(pair("A"), Ok(("A".into(), None)));
        assert!(pair("=b").is_err());
    }
}
