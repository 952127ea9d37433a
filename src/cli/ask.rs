//! Questions to the person at the terminal.

use crate::failure::Failure;
use crate::output;
use crate::session::Session;
use crate::signals::Interrupts;

/// Asks a question that is answered with yes or no; anything but yes is no.
pub(crate) async fn confirm(session: &Session, interrupts: &mut Interrupts, question: &str) -> Result<bool, Failure> {
    if !session.can_ask() {
        return Ok(false);
    }
    output::err(&format!("{question} [y/N] "));
    let answer = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    });
    let line = tokio::select! {
        line = answer => line.unwrap_or_else(|error| Err(error.into())).map_err(|error| Failure::io("cannot read the answer", error))?,
        _ = interrupts.next() => {
            output::err("\n");
            return Err(Failure::Interrupted);
        }
    };
    Ok(matches!(line.trim().to_lowercase().as_str(), "y" | "yes"))
}
