//! The part of Go's templates that people write after `--format`: `{{.Name}}`, `{{json .}}`, `{{upper .State}}`, pipes.

use serde_json::Value;

use crate::failure::Failure;
use crate::table::table;

/// Least width of a column. Source: the formatter of the docker command.
const COLUMN: usize = 10;

/// A template that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// What it starts from, and what is done with it, in order.
    Value {
        start: Start,
        functions: Vec<Function>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Start {
    /// The whole object.
    Dot,
    /// A field of it, or of a field: `Name`, `Config.Env`.
    Field(String),
    /// A label: `.Label "key"`.
    Label(String),
    /// A text in quotes.
    Text(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Function {
    Json,
    Upper,
    Lower,
    Title,
    Print,
}

impl Template {
    /// Reads a template; `\t` and `\n` stand for a tab and a new line.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let text = text.replace("\\t", "\t").replace("\\n", "\n");
        let mut pieces = Vec::new();
        let mut rest = text.as_str();
        while let Some(at) = rest.find("{{") {
            let (before, after) = rest.split_at(at);
            let end = after.find("}}").ok_or_else(|| malformed(after, "`}}` is missing"))?;
            pieces.push(Piece::Text(before.to_owned()));
            pieces.push(action(after[2..end].trim_matches('-').trim())?);
            rest = &after[end + 2..];
        }
        pieces.push(Piece::Text(rest.to_owned()));
        pieces.retain(|piece| *piece != Piece::Text(String::new()));
        Ok(Self { pieces })
    }

    /// Fills in an object.
    pub(crate) fn fill(&self, object: &Value) -> Result<String, Failure> {
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(piece) => text.push_str(piece),
                Piece::Value { start, functions } => {
                    let mut value = start.value(object)?;
                    for function in functions {
                        value = function.apply(&value);
                    }
                    text.push_str(&plain(&value));
                }
            }
        }
        Ok(text)
    }

    /// Returns the column headers of a table, as docker names them.
    pub(crate) fn headers(&self) -> String {
        let header = |start: &Start| match start {
            Start::Dot | Start::Text(_) => String::new(),
            Start::Label(key) => key.rsplit('.').next().unwrap_or_default().replace(['_', '-'], " "),
            Start::Field(field) => match field.as_str() {
                "ID" => "CONTAINER ID".into(),
                "Name" | "Names" => {
                    if field == "Name" {
                        "NAME".into()
                    } else {
                        "NAMES".into()
                    }
                }
                "CreatedAt" => "CREATED AT".into(),
                "RunningFor" => "CREATED".into(),
                "LocalVolumes" => "LOCAL VOLUMES".into(),
                "ExitCode" => "EXIT CODE".into(),
                "CPUPerc" => "CPU %".into(),
                "MemUsage" => "MEM USAGE / LIMIT".into(),
                "MemPerc" => "MEM %".into(),
                "NetIO" => "NET I/O".into(),
                "BlockIO" => "BLOCK I/O".into(),
                other => other.to_uppercase(),
            },
        };
        self.pieces
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => text.clone(),
                Piece::Value { start, .. } => header(start),
            })
            .collect()
    }
}

fn action(text: &str) -> Result<Piece, Failure> {
    let mut steps = text.split('|').map(str::trim);
    let first = steps.next().unwrap_or_default();
    let mut functions = Vec::new();
    let (word, argument) = first.split_once(char::is_whitespace).map_or((first, ""), |(word, rest)| (word, rest.trim()));
    let start = match Function::of(word) {
        Some(function) => {
            functions.push(function);
            start(argument)?
        }
        None => start(first)?,
    };
    for step in steps {
        functions.push(Function::of(step).ok_or_else(|| malformed(text, &format!("the function `{step}` is not supported")))?);
    }
    Ok(Piece::Value { start, functions })
}

fn start(text: &str) -> Result<Start, Failure> {
    let quoted = |text: &str| text.strip_prefix('"')?.strip_suffix('"').map(str::to_owned);
    if text == "." {
        return Ok(Start::Dot);
    }
    if let Some(text) = quoted(text) {
        return Ok(Start::Text(text));
    }
    if let Some(key) = text.strip_prefix(".Label ").and_then(|key| quoted(key.trim())) {
        return Ok(Start::Label(key));
    }
    match text.strip_prefix('.') {
        Some(field) if field.split('.').all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric())) => {
            Ok(Start::Field(field.to_owned()))
        }
        _ => Err(malformed(
            text,
            "only fields such as `.Name`, `.Label \"key\"`, and json, upper, lower, title, print are supported",
        )),
    }
}

impl Start {
    fn value(&self, object: &Value) -> Result<Value, Failure> {
        match self {
            Self::Dot => Ok(object.clone()),
            Self::Text(text) => Ok(Value::String(text.clone())),
            Self::Field(path) => path.split('.').try_fold(object.clone(), |object, field| {
                object.get(field).cloned().ok_or_else(|| {
                    let known = object.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect::<Vec<_>>().join(", ");
                    Failure::usage(format!("there is no field `{field}`"), format!("there are {known}"))
                })
            }),
            Self::Label(key) => {
                let labels = object.get("Labels").and_then(Value::as_str).unwrap_or_default();
                let found = labels.split(',').find_map(|pair| pair.strip_prefix(key.as_str())?.strip_prefix('='));
                Ok(Value::String(found.unwrap_or_default().to_owned()))
            }
        }
    }
}

impl Function {
    fn of(word: &str) -> Option<Self> {
        match word {
            "json" => Some(Self::Json),
            "upper" => Some(Self::Upper),
            "lower" => Some(Self::Lower),
            "title" => Some(Self::Title),
            "print" => Some(Self::Print),
            _ => None,
        }
    }

    fn apply(self, value: &Value) -> Value {
        Value::String(match self {
            Self::Json => go_json(value),
            Self::Upper => plain(value).to_uppercase(),
            Self::Lower => plain(value).to_lowercase(),
            Self::Title => {
                let text = plain(value);
                let mut letters = text.chars();
                letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
            }
            Self::Print => plain(value),
        })
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Writes objects as `--format` says: `json`, `table`, `table TEMPLATE`, or a template for each; `columns` is what `table` alone means.
pub(crate) fn formatted(objects: &[Value], form: &str, columns: &str) -> Result<String, Failure> {
    if form == "json" {
        return Ok(objects.iter().map(|object| format!("{}\n", go_json(object))).collect());
    }
    let form = if form == "table" { columns } else { form };
    let Some(columns) = form.strip_prefix("table ") else {
        let template = Template::parse(form)?;
        return objects.iter().map(|object| Ok(format!("{}\n", template.fill(object)?))).collect();
    };
    let template = Template::parse(columns.trim())?;
    let cells = |line: String| line.split('\t').map(str::to_owned).collect::<Vec<_>>();
    let mut lines = vec![cells(template.headers())];
    for object in objects {
        lines.push(cells(template.fill(object)?));
    }
    Ok(table(&lines, COLUMN, 3))
}

/// Writes JSON as Go does: `<`, `>` and `&` are escaped. Source: Go `encoding/json`, `HTMLEscape`.
pub(crate) fn go_json(value: &Value) -> String {
    value.to_string().replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

fn malformed(text: &str, why: &str) -> Failure {
    Failure::usage(
        format!("the template `{text}` cannot be read: {why}"),
        "write for example `{{.Name}}\\t{{.State}}` or `{{json .}}`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fill(template: &str) -> String {
        let object = json!({ "Name": "web-1", "State": "running", "ExitCode": 0, "Labels": "a.b=c,d=e", "Ports": "80->80/tcp" });
        Template::parse(template).and_then(|it| it.fill(&object)).unwrap_or_else(|error| error.to_string())
    }

    #[test]
    fn fields_and_functions_are_filled_in() {
        assert_eq!(fill("{{.Name}}\\t{{.State}}"), "web-1\trunning");
        assert_eq!(fill("{{upper .State}} {{.State | title}} {{.ExitCode}}"), "RUNNING Running 0");
        assert_eq!(fill("{{ .Label \"a.b\" }}/{{.Label \"x\"}}"), "c/");
        assert_eq!(fill("{{json .Ports}}"), "\"80-\\u003e80/tcp\"");
        assert!(fill("{{json .}}").starts_with("{\"ExitCode\":0,"));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        assert_eq!(fill("{{.Bogus}}"), "there is no field `Bogus`");
        for template in ["{{.Name", "{{range .}}x{{end}}", "{{if .Name}}x{{end}}", "{{.Name | frob}}", "{{}}"] {
            assert!(fill(template).contains("cannot be read"), "{template}");
        }
    }
}
