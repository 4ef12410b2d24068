//! What publishes the ports of a server in a container.

use super::{Plan, Ports};
use crate::args::rules::Side;

/// Most ports of a Kubernetes Service that are written down.
const MOST_PORTS: u16 = 500;

/// The service of a Docker Compose file.
pub(super) fn compose(plan: &Plan) -> Result<String, String> {
    let range = published(plan)?;
    let mut text = "\
# FTP, made by `wharf rules`: what the server's service needs in a Docker Compose file.
services:
  ftp:
    ports:
"
    .to_owned();
    for port in &plan.control {
        text +=
            &format!("      # 1: clients connect to the control port {port}\n      - \"{port}:{port}\"\n");
    }
    if let Some(range) = range {
        let range = range.with('-');
        text += &format!(
            "      # 3, passive: the same numbers outside and inside, for the 227 and 229 tell them\n      - \"{range}:{range}\"\n"
        );
    }
    text += &about_active(plan);
    text += "    # The 227 has to tell the address of the host: wharf serve --advertise ADDR|NAME\n";
    Ok(text)
}

/// A Kubernetes Service.
pub(super) fn kubernetes(plan: &Plan) -> Result<String, String> {
    let range = published(plan)?;
    let count = range.map_or(0, |range| range.last - range.first);
    if count >= MOST_PORTS {
        return Err(format!(
            "a Service has an entry for each port, and {} passive ports are too many: set a smaller range \
                            (--passive-ports), {MOST_PORTS} ports at most",
            u32::from(count) + 1
        ));
    }
    let mut text = "\
# FTP, made by `wharf rules`: the Service before the server.
apiVersion: v1
kind: Service
metadata:
  name: ftp
spec:
  type: LoadBalancer
  # Control and data connections of a client reach the same pod, which sees the client's own address.
  externalTrafficPolicy: Local
  sessionAffinity: ClientIP
  selector:
    app: ftp
  ports:
"
    .to_owned();
    let mut entry = |name: &str, port: u16| {
        text +=
            &format!("    - {{ name: {name}-{port}, protocol: TCP, port: {port}, targetPort: {port} }}\n");
    };
    for port in &plan.control {
        // 1: clients connect.
        entry("control", *port);
    }
    for ports in range.and_then(Ports::each).into_iter().flatten() {
        // 3, passive: a Service knows no ranges.
        entry("passive", ports.first);
    }
    text += &about_active(plan).replace("    # ", "  # ");
    text += "  # The 227 has to tell the balancer's address: wharf serve --advertise ADDR|NAME\n";
    Ok(text)
}

/// The range that has to be published; none where passive mode is off.
fn published(plan: &Plan) -> Result<Option<Ports>, String> {
    if plan.side == Side::Client {
        return Err("what publishes ports stands before a server: leave --side client out".to_owned());
    }
    match plan.passive {
        None => Ok(None),
        Some(Some(range)) => Ok(Some(range)),
        Some(None) => Err("ports that are not known cannot be published: set a passive range \
                           (`passive.ports`, --passive-ports FIRST-LAST)"
            .to_owned()),
    }
}

fn about_active(plan: &Plan) -> String {
    match &plan.active {
        None => String::new(),
        Some(_) => "    # 3, active: nothing to publish; the server's connections leave through the host's NAT, from another port than 20\n".to_owned(),
    }
}
