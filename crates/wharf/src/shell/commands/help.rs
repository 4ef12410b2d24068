//! `help`, `history`, `quit`.

use serde_json::json;

use crate::shell::Shell;
use crate::shell::call::Call;
use crate::shell::table::{Outcome, ROWS, Section, find};

pub(crate) async fn help(shell: &mut Shell, call: Call) -> Outcome {
    let Some(word) = call.at_most_one()? else {
        for section in Section::ALL {
            let names: Vec<_> =
                ROWS.iter().filter(|row| row.section == section).map(|row| row.names[0]).collect();
            let event = json!({ "event": "help", "section": section.title(), "commands": names });
            shell.say(&event, &format!("{}:\n    {}", section.title(), names.join(" ")))?;
        }
        return match shell.client.settings.json {
            true => Ok(()),
            false => shell.say(&json!({}), "`help COMMAND` tells more about one."),
        };
    };
    let row = find(&word.lossy())?;
    let event = json!({ "event": "help", "names": row.names, "syntax": row.syntax, "help": row.help });
    let aliases = match &row.names[1..] {
        [] => String::new(),
        aliases => format!("\nAlso: {}.", aliases.join(", ")),
    };
    shell.say(&event, &format!("{}\n{}{aliases}", row.syntax, row.help))
}

pub(crate) async fn history(shell: &mut Shell, call: Call) -> Outcome {
    call.exactly::<0>()?;
    let lines = match &mut shell.terminal {
        Some(terminal) => terminal.history().await,
        None => Vec::new(),
    };
    for line in lines {
        shell.say(&json!({ "event": "history", "line": line }), &line)?;
    }
    Ok(())
}

pub(crate) async fn quit(shell: &mut Shell, call: Call) -> Outcome {
    call.exactly::<0>()?;
    shell.is_leaving = true;
    Ok(())
}
