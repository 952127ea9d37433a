//! The grammar of `$VARIABLE` and `${VARIABLE…}`.
//!
//! Operands are evaluated only when they are needed, as docker compose 5.5 does.

use crate::error::Code;

/// What a template may read.
pub(crate) trait Lookup {
    fn get(&self, name: &str) -> Option<&str>;
}

impl<F: Fn(&str) -> Option<&'static str>> Lookup for F {
    fn get(&self, name: &str) -> Option<&str> {
        self(name)
    }
}

/// Why a template cannot be evaluated.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) code: Code,
    pub(crate) message: String,
    pub(crate) hint: String,
}

/// A piece of a template.
enum Piece<'a> {
    Text(&'a str),
    Variable {
        name: &'a str,
        operator: Option<(Operator, &'a str)>,
    },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operator {
    /// `:-` and `-`
    Default { empty_too: bool },
    /// `:+` and `+`
    Alternate { empty_too: bool },
    /// `:?` and `?`
    Required { empty_too: bool },
}

/// Deepest nesting of `${…${…}…}`.
const MAX_DEPTH: usize = 64;
/// Most bytes that the variables of one file may become: small files of variables can multiply without end.
const MAX_OUTPUT: usize = 16 << 20;

/// Most names of unset variables kept; as many as warnings are, and each is compared with those before.
const MAX_UNSET: usize = 500;

/// What evaluating leaves behind.
#[derive(Debug)]
pub(crate) struct Effects {
    /// Names of unset variables that became blank.
    pub(crate) unset: Vec<String>,
    /// Bytes that variables may still become.
    left: usize,
}

impl Default for Effects {
    fn default() -> Self {
        Self { unset: Vec::new(), left: MAX_OUTPUT }
    }
}

/// Evaluates a template.
pub(crate) fn substitute(template: &str, variables: &dyn Lookup, effects: &mut Effects) -> Result<String, Fault> {
    if depth(template) > MAX_DEPTH {
        return Err(Fault {
            code: Code::Limit,
            message: "variables are nested too deeply".to_owned(),
            hint: format!("at most {MAX_DEPTH} levels of `${{…}}` are read"),
        });
    }
    evaluate(template, variables, effects)
}

fn depth(template: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut previous = b' ';
    for byte in template.bytes() {
        match byte {
            b'{' if previous == b'$' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
        previous = byte;
    }
    deepest
}

fn evaluate(template: &str, variables: &dyn Lookup, effects: &mut Effects) -> Result<String, Fault> {
    let mut result = String::with_capacity(template.len());
    for piece in Pieces(template) {
        match piece? {
            Piece::Text(text) => result.push_str(text),
            Piece::Variable { name, operator } => {
                let value = value(name, operator, variables, effects)?;
                effects.left = effects.left.checked_sub(value.len()).ok_or_else(|| Fault {
                    code: Code::Limit,
                    message: "variables make this file too large".to_owned(),
                    hint: format!("all variables of a file together may become {} MiB", MAX_OUTPUT >> 20),
                })?;
                result.push_str(&value);
            }
        }
    }
    Ok(result)
}

fn value(name: &str, operator: Option<(Operator, &str)>, variables: &dyn Lookup, effects: &mut Effects) -> Result<String, Fault> {
    let found = variables.get(name);
    let Some((operator, operand)) = operator else {
        let unset = &mut effects.unset;
        if found.is_none() && unset.len() < MAX_UNSET && !unset.iter().any(|known| known == name) {
            unset.push(name.to_owned());
        }
        return Ok(found.unwrap_or_default().to_owned());
    };
    let present = |empty_too: bool| found.filter(|value| !(empty_too && value.is_empty()));
    match operator {
        Operator::Default { empty_too } => match present(empty_too) {
            Some(value) => Ok(value.to_owned()),
            None => evaluate(operand, variables, effects),
        },
        Operator::Alternate { empty_too } => match present(empty_too) {
            Some(_) => evaluate(operand, variables, effects),
            None => Ok(String::new()),
        },
        Operator::Required { empty_too } => match present(empty_too) {
            Some(value) => Ok(value.to_owned()),
            None => {
                let said = evaluate(operand, variables, effects)?;
                let colon = if said.is_empty() { "" } else { ": " };
                let state = if found.is_some() { "empty" } else { "not set" };
                Err(Fault {
                    code: Code::RequiredVariable,
                    message: format!("required variable {name} is missing a value{colon}{said}"),
                    hint: format!("{name} is {state}: set it in the environment or in a .env file, or write ${{{name}:-default}}"),
                })
            }
        },
    }
}

/// One use of a variable in a template.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Use {
    pub(crate) name: String,
    pub(crate) default: String,
    pub(crate) alternate: String,
    pub(crate) required: bool,
}

/// The variables that a template names, in order; those inside operands too.
pub(crate) fn uses(template: &str) -> Vec<Use> {
    let mut found = Vec::new();
    if depth(template) > MAX_DEPTH {
        return found;
    }
    for piece in Pieces(template) {
        let Ok(Piece::Variable { name, operator }) = piece else {
            continue;
        };
        let mut entry = Use { name: name.to_owned(), default: String::new(), alternate: String::new(), required: false };
        let mut nested = Vec::new();
        if let Some((operator, operand)) = operator {
            match operator {
                Operator::Default { .. } => operand.clone_into(&mut entry.default),
                Operator::Alternate { .. } => operand.clone_into(&mut entry.alternate),
                Operator::Required { .. } => entry.required = true,
            }
            nested = uses(operand);
        }
        found.push(entry);
        found.append(&mut nested);
    }
    found
}

/// Cuts a template into pieces.
struct Pieces<'a>(&'a str);

impl<'a> Iterator for Pieces<'a> {
    type Item = Result<Piece<'a>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        let text = self.0;
        if text.is_empty() {
            return None;
        }
        let Some(rest) = text.strip_prefix('$') else {
            let end = text.find('$').unwrap_or(text.len());
            self.0 = &text[end..];
            return Some(Ok(Piece::Text(&text[..end])));
        };
        if let Some(after) = rest.strip_prefix('$') {
            self.0 = after;
            return Some(Ok(Piece::Text("$")));
        }
        if let Some(inner) = rest.strip_prefix('{') {
            return Some(self.braced(text, inner));
        }
        let length = name_length(rest);
        self.0 = &rest[length..];
        Some(Ok(if length == 0 {
            Piece::Text("$")
        } else {
            Piece::Variable { name: &rest[..length], operator: None }
        }))
    }
}

impl<'a> Pieces<'a> {
    /// Reads `${…}`; `text` begins with it, `inner` behind its brace.
    fn braced(&mut self, text: &'a str, inner: &'a str) -> Result<Piece<'a>, Fault> {
        self.0 = "";
        let Some(end) = closing(inner) else {
            return Err(invalid(text, "the `${` is never closed with `}`"));
        };
        let (content, written) = (&inner[..end], &text[..end + 3]);
        let length = name_length(content);
        if length == 0 {
            let reason = "a variable name begins with a letter or `_`";
            return Err(invalid(written, reason));
        }
        let (name, rest) = content.split_at(length);
        let (empty_too, operation) = match rest.strip_prefix(':') {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let operator = match operation.chars().next() {
            None if !empty_too => None,
            Some('-') => Some(Operator::Default { empty_too }),
            Some('+') => Some(Operator::Alternate { empty_too }),
            Some('?') => Some(Operator::Required { empty_too }),
            _ => {
                let reason = "only the operators :- - :+ + :? ? are known";
                return Err(invalid(written, reason));
            }
        };
        self.0 = &inner[end + 1..];
        Ok(Piece::Variable { name, operator: operator.map(|operator| (operator, &operation[1..])) })
    }
}

fn invalid(written: &str, reason: &str) -> Fault {
    Fault {
        code: Code::BadInterpolation,
        message: format!("invalid interpolation format `{written}`"),
        hint: format!("{reason}; for a literal dollar sign write `$$`"),
    }
}

/// Position of the brace that closes `${`, given what follows it.
fn closing(inner: &str) -> Option<usize> {
    let bytes = inner.as_bytes();
    let (mut open, mut at) = (1, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'}' => {
                open -= 1;
                if open == 0 {
                    return Some(at);
                }
            }
            b'$' if bytes.get(at + 1) == Some(&b'{') => {
                open += 1;
                at += 1;
            }
            _ => {}
        }
        at += 1;
    }
    None
}

fn name_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    if !bytes.first().is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_') {
        return 0;
    }
    bytes.iter().position(|b| !b.is_ascii_alphanumeric() && *b != b'_').unwrap_or(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(template: &str) -> Result<String, Fault> {
        let lookup = |name: &str| match name {
            "A" => Some("x"),
            "E" => Some(""),
            _ => None,
        };
        substitute(template, &lookup, &mut Effects::default())
    }

    #[test]
    fn operators_read_unset_and_empty_apart() {
        for (template, value) in [
            ("$A", "x"),
            ("${A}b", "xb"),
            ("$$A", "$A"),
            ("$$$A", "$x"),
            ("$ $1 $", "$ $1 $"),
            ("${U:-d}", "d"),
            ("${E:-d}", "d"),
            ("${E-d}", ""),
            ("${A:+y}${E:+y}${E+y}${U+y}", "yy"),
            ("${U:-${V:-deep}}!", "deep!"),
            ("${A:-${U:?never asked}}", "x"),
            ("${U:-{\"a\":1}}", "{\"a\":1}"),
        ] {
            assert_eq!(read(template).as_deref(), Ok(value), "{template}");
        }
    }

    #[test]
    fn other_forms_are_refused() {
        for template in ["${", "${A", "${}", "${1A}", "${A.b}", "${A:=b}", "${A#b}", "${A:}"] {
            assert_eq!(read(template).map_err(|f| f.code), Err(Code::BadInterpolation), "{template}");
        }
        assert_eq!(read(&"${U:-".repeat(100_000)).map_err(|f| f.code), Err(Code::Limit));
        assert_eq!(read("${U:?no}").map_err(|f| f.code), Err(Code::RequiredVariable));
        assert_eq!(read("${E?no}"), Ok(String::new()));
    }
}
