//! Firewalls that remember connections by themselves and are told what may open one: firewalld, ufw, Windows.

use super::{Direction, Plan, Ports, Rule};

/// firewall-cmd. It filters what comes in, and lets everything out.
pub(super) fn firewalld(plan: &Plan) -> Result<String, String> {
    let mut text = "\
#!/bin/sh
# FTP, made by `wharf rules`, for the default zone of firewalld. It filters what comes in; answers pass by themselves
# (rules 2 and 4), and so does what this machine opens.
set -e
"
    .to_owned();
    let mut tell = |rule: &Rule| match rule.direction {
        Direction::In if rule.source == Ports::UNPRIVILEGED => {
            format!("firewall-cmd --permanent --add-port={}/tcp\n", rule.destination.with('-'))
        }
        Direction::In => format!(
            "firewall-cmd --permanent --add-rich-rule='rule source-port port=\"{}\" protocol=\"tcp\" accept'\n",
            rule.source.with('-')
        ),
        Direction::Out => "# Nothing to do: firewalld lets it out.\n".to_owned(),
    };
    opening(plan, &mut text, &mut tell);
    text += "\nfirewall-cmd --reload\n";
    Ok(text)
}

/// ufw.
pub(super) fn ufw(plan: &Plan) -> Result<String, String> {
    let mut text = "\
#!/bin/sh
# FTP, made by `wharf rules`, for ufw with `default deny` in both directions. Answers pass by themselves (rules 2 and 4).
set -e
"
    .to_owned();
    let mut tell = |rule: &Rule| {
        let direction = match rule.direction {
            Direction::In => "in",
            Direction::Out => "out",
        };
        let source = match rule.source {
            Ports::UNPRIVILEGED => String::new(),
            ports => format!(" port {}", ports.with(':')),
        };
        format!(
            "ufw allow {direction} proto tcp from any{source} to any port {}\n",
            rule.destination.with(':')
        )
    };
    opening(plan, &mut text, &mut tell);
    Ok(text)
}

/// netsh advfirewall.
pub(super) fn netsh(plan: &Plan) -> Result<String, String> {
    let mut text = "\
rem FTP, made by `wharf rules`, for the Windows firewall. Answers pass by themselves (rules 2 and 4).
"
    .to_owned();
    let mut count = 0;
    let mut tell = |rule: &Rule| {
        count += 1;
        let (direction, local, remote) = match rule.direction {
            Direction::In => ("in", rule.destination, rule.source),
            Direction::Out => ("out", rule.source, rule.destination),
        };
        let ports = |name: &str, ports: Ports| match ports {
            Ports::UNPRIVILEGED if name == "localport" && rule.direction == Direction::Out => String::new(),
            ports => format!(" {name}={}", ports.with('-')),
        };
        format!(
            "netsh advfirewall firewall add rule name=\"FTP {count}\" dir={direction} action=allow protocol=TCP{}{}\n",
            ports("localport", local),
            ports("remoteport", remote)
        )
    };
    opening(plan, &mut text, &mut tell);
    Ok(text.replace("\n# ", "\nrem ").replace('\n', "\r\n"))
}

/// The rules that open connections, with their reasons.
fn opening(plan: &Plan, text: &mut String, tell: &mut impl FnMut(&Rule) -> String) {
    for section in plan.sections() {
        *text += &format!("\n# {}\n", section.title);
        let mut last = String::new();
        for rule in section.rules.iter().filter(|rule| rule.opens) {
            if rule.reason != last {
                *text += &format!("# {}\n", rule.reason);
                last.clone_from(&rule.reason);
            }
            *text += &tell(rule);
        }
    }
}
