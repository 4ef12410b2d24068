//! `passive`, `epsv`, `binary`, `ascii`, `type`, `prompt`, `debug`.

use serde_json::json;
use wharf_client::options::ModeChoice;
use wharf_proto::dialogue::{DataMode, NegotiationCommand};

use crate::settings::Talk;
use crate::shell::Shell;
use crate::shell::call::Call;
use crate::shell::table::Outcome;

/// Who connects.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Auto,
    Passive,
    Active,
}

fn direction(mode: ModeChoice) -> Direction {
    match mode {
        ModeChoice::Auto => Direction::Auto,
        ModeChoice::Passive => Direction::Passive,
        ModeChoice::Active => Direction::Active,
        ModeChoice::Only(command) if command.mode() == DataMode::Passive => Direction::Passive,
        ModeChoice::Only(_) => Direction::Active,
    }
}

fn is_extended(mode: ModeChoice) -> bool {
    !matches!(mode, ModeChoice::Only(NegotiationCommand::Pasv | NegotiationCommand::Port))
}

fn mode_of(direction: Direction, is_extended: bool) -> ModeChoice {
    match (direction, is_extended) {
        (Direction::Auto, true) => ModeChoice::Auto,
        (Direction::Passive, true) => ModeChoice::Passive,
        (Direction::Active, true) => ModeChoice::Active,
        (Direction::Auto | Direction::Passive, false) => ModeChoice::Only(NegotiationCommand::Pasv),
        (Direction::Active, false) => ModeChoice::Only(NegotiationCommand::Port),
    }
}

/// Which ways are tried.
pub(super) fn described(mode: ModeChoice) -> &'static str {
    match mode {
        ModeChoice::Auto => "auto: EPSV, PASV, EPRT, PORT",
        ModeChoice::Passive => "passive: EPSV, PASV",
        ModeChoice::Active => "active: EPRT, PORT",
        ModeChoice::Only(NegotiationCommand::Epsv) => "passive: EPSV",
        ModeChoice::Only(NegotiationCommand::Pasv) => "passive: PASV",
        ModeChoice::Only(NegotiationCommand::Eprt) => "active: EPRT",
        ModeChoice::Only(NegotiationCommand::Port) => "active: PORT",
    }
}

fn choose(shell: &mut Shell, mode: ModeChoice) {
    shell.client.settings.options.mode = mode;
    if let Some(session) = shell.client.present_session() {
        session.set_mode(mode);
    }
}

pub(crate) async fn passive(shell: &mut Shell, call: Call) -> Outcome {
    let usage = call.usage();
    let now = shell.client.settings.options.mode;
    let wanted = match call.at_most_one()?.map(|word| word.lossy()).as_deref() {
        Some("auto") => Direction::Auto,
        Some("on") => Direction::Passive,
        Some("off") => Direction::Active,
        None if direction(now) == Direction::Active => Direction::Passive,
        None => Direction::Active,
        Some(_) => return Err(usage),
    };
    choose(shell, mode_of(wanted, is_extended(now)));
    let (word, more) = match wanted {
        Direction::Auto => ("auto", "; we connect to the server, and where that fails, it to us"),
        Direction::Passive => ("on", "; we connect to the server"),
        Direction::Active => ("off", "; the server connects to us"),
    };
    shell.say(&json!({ "event": "passive", "mode": word }), &format!("Passive mode: {word}{more}."))
}

pub(crate) async fn extended(shell: &mut Shell, call: Call) -> Outcome {
    let now = shell.client.settings.options.mode;
    let on = call.switch(is_extended(now))?;
    choose(shell, mode_of(direction(now), on));
    let mode = described(shell.client.settings.options.mode);
    let word = if on { "on" } else { "off" };
    shell.say(&json!({ "event": "epsv", "on": on, "mode": mode }), &format!("EPSV/EPRT: {word} ({mode})."))
}

pub(crate) async fn binary(shell: &mut Shell, call: Call) -> Outcome {
    call.exactly::<0>()?;
    shell.ascii = false;
    tell_type(shell)
}

pub(crate) async fn ascii(shell: &mut Shell, call: Call) -> Outcome {
    call.exactly::<0>()?;
    shell.ascii = true;
    tell_type(shell)
}

pub(crate) async fn representation(shell: &mut Shell, call: Call) -> Outcome {
    let usage = call.usage();
    match call.at_most_one()?.map(|word| word.lossy().to_ascii_lowercase()).as_deref() {
        None => {}
        Some("ascii" | "a") => shell.ascii = true,
        Some("binary" | "image" | "i") => shell.ascii = false,
        Some(_) => return Err(usage),
    }
    tell_type(shell)
}

fn tell_type(shell: &mut Shell) -> Outcome {
    let word = if shell.ascii { "ascii" } else { "binary" };
    shell.say(&json!({ "event": "type", "type": word }), &format!("Type: {word}."))
}

pub(crate) async fn prompt(shell: &mut Shell, call: Call) -> Outcome {
    shell.asks = call.switch(shell.asks)?;
    let word = if shell.asks { "on" } else { "off" };
    shell.say(&json!({ "event": "prompt", "on": shell.asks }), &format!("Interactive mode: {word}."))
}

pub(crate) async fn debug(shell: &mut Shell, call: Call) -> Outcome {
    let on = call.switch(shell.client.settings.talk == Talk::Dialogue)?;
    shell.client.settings.talk = if on { Talk::Dialogue } else { Talk::Usual };
    shell.client.show_anew();
    let word = if on { "on" } else { "off" };
    shell.say(&json!({ "event": "debug", "on": on }), &format!("Dialogue: {word}."))
}
