//! `jobs`, `wait`, `kill`.

use serde_json::json;
use wharf_client::ClientError;

use crate::commands::client::INTERRUPTED;
use crate::output;
use crate::shell::Shell;
use crate::shell::call::Call;
use crate::shell::table::Outcome;
use crate::shell::words::Word;

pub(crate) async fn list(shell: &mut Shell, call: Call) -> Outcome {
    call.exactly::<0>()?;
    let running: Vec<_> = shell.jobs.running().map(|(number, text)| (number, text.to_owned())).collect();
    for (number, text) in running {
        let event = json!({ "event": "job", "number": number, "command": text });
        shell.say(&event, &format!("[{number}] {text}"))?;
    }
    Ok(())
}

pub(crate) async fn wait(shell: &mut Shell, call: Call) -> Outcome {
    match call.at_most_one()? {
        Some(word) => wait_for(shell, number(&word)?).await,
        None => {
            while let Some(number) = shell.jobs.oldest() {
                wait_for(shell, number).await?;
            }
            Ok(())
        }
    }
}

/// A job that failed makes this fail, with its exit code: it has told why itself.
async fn wait_for(shell: &mut Shell, number: u32) -> Outcome {
    let ended = shell.jobs.wait(number).await.ok_or_else(|| unknown(number))?;
    output::note(&ended);
    match ended.code.unwrap_or(INTERRUPTED) {
        0 => {}
        code => shell.client.note_failure(code),
    }
    Ok(())
}

pub(crate) async fn kill(shell: &mut Shell, call: Call) -> Outcome {
    let [word] = call.exactly()?;
    let number = number(&word)?;
    if !shell.jobs.kill(number) {
        return Err(unknown(number));
    }
    if let Some(ended) = shell.jobs.wait(number).await {
        output::note(&ended);
    }
    Ok(())
}

fn number(word: &Word) -> Result<u32, ClientError> {
    let text = word.lossy();
    let digits = text.strip_prefix('%').unwrap_or(&text);
    digits
        .parse()
        .map_err(|_| ClientError::Usage(format!("\"{text}\" is no number of a job; `jobs` lists them")))
}

fn unknown(number: u32) -> ClientError {
    ClientError::Usage(format!("there is no job {number}; `jobs` lists them"))
}
