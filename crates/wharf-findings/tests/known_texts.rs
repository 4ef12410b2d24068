//! What real programs say, word for word, and the traps: texts that must not lead to a cause.

use wharf_findings::Cause::{self, *};
use wharf_findings::candidates;

#[test]
fn what_real_programs_say() {
    let said: &[(u16, &str, &[Cause])] = &[
        (500, "Illegal PORT command.", &[PortUnroutable, BounceRefused]),
        (500, "Illegal PORT command", &[PortUnroutable, BounceRefused]),
        (500, "Illegal PORT command, EPSV ALL in effect", &[EpsvAll]),
        (500, "Illegal PASV command, EPSV ALL in effect", &[EpsvAll]),
        (501, "Active mode is disabled", &[EpsvAll]),
        (501, "PASV not allowed after EPSV ALL.", &[EpsvAll]),
        (503, "EPSV ALL is in effect: only EPSV is allowed.", &[EpsvAll]),
        (425, "No data connection", &[NoNegotiation]),
        (425, "Use EPSV, PASV, EPRT or PORT before each transfer.", &[NoNegotiation]),
        (425, "Security: Bad IP connecting.", &[DataPeerMismatch]),
        (425, "Use PORT or PASV first.", &[NoNegotiation]),
        (522, "Data connections must be encrypted.", &[ProtMismatch]),
        (522, "Bad network protocol.", &[FamilyMismatch, Nat64]),
        (500, "Bad EPRT protocol.", &[FamilyMismatch, Nat64]),
        (421, "Timeout.", &[ControlCutIdle]),
        (421, "Data timeout. Reconnect. Sorry.", &[TransferCut, MtuBlackHole]),
        (426, "Failure reading network stream.", &[TransferCut, MissingCloseNotify]),
        (426, "Failure writing network stream.", &[TransferCut, MissingCloseNotify]),
        (530, "Non-anonymous sessions must use encryption.", &[TlsRequired]),
        (530, "This server wants TLS: send AUTH TLS before USER.", &[TlsRequired]),
        (530, "This login wants TLS: send AUTH TLS before USER.", &[TlsRequired]),
        (500, "OOPS: vsf_sysutil_bind", &[RangeExhausted]),
        (500, "OOPS: vsftpd: refusing to run with writable root inside chroot()", &[ServerMisconfigured]),
        (522, "Network protocol not supported, use (1)", &[FamilyMismatch, Nat64]),
        (522, "SSL/TLS required on the data channel", &[ProtMismatch]),
        (425, "Unable to build data connection: Connection refused", &[ClientRefusesInbound, PortUnroutable]),
        (
            425,
            "Unable to build data connection: Operation not permitted",
            &[TlsResumptionRequired, ServerEgressBlocked],
        ),
        (500, "I won't open a connection to 10.0.0.2 (only to 198.51.100.7)", &[PortUnroutable]),
        (425, "You cannot use PASV on IPv6 connections. Use EPSV instead.", &[FamilyMismatch]),
        (425, "All reserved TCP ports are busy", &[RangeExhausted]),
        (425, "data connection security requirements not met", &[DataPeerMismatch]),
        (501, "Rejected data connection to foreign address 10.0.0.2:40001.", &[PortUnroutable]),
        (
            425,
            "Unable to build data connection: TLS session of data connection not resumed.",
            &[TlsResumptionRequired],
        ),
        (
            502,
            "Active mode is switched off on this server: use passive mode (EPSV or PASV).",
            &[ModeDisabled],
        ),
        (504, "No data connection to port 22: ports below 1024 are refused.", &[BounceRefused]),
        (
            504,
            "No data connection to 192.0.2.1: you are 127.0.0.1. Behind a NAT, use passive mode (EPSV or PASV).",
            &[BounceRefused, PortUnroutable],
        ),
        (425, "All 10 passive ports 40000-40009 are in use; try again later.", &[RangeExhausted]),
        (
            425,
            "Nothing connected to 127.0.0.1:4000 in 30 s: a firewall between you and this server probably blocks that port.",
            &[PassivePortFiltered, PortsUnpublished],
        ),
        (
            425,
            "Nothing connected to 192.0.2.2:40012 in 30 s: a firewall between you and this server probably blocks the passive range 40000-40100.",
            &[PassivePortFiltered, PortsUnpublished],
        ),
        (
            425,
            "Nothing connected to 172.17.0.2:40012 in 30 s: this server has the address of a container, which probably does not publish the passive range 40000-40100 under the same numbers.",
            &[PortsUnpublished, PassivePortFiltered],
        ),
        (
            425,
            "Nothing connected to 10.0.0.5:4000 in 30 s: that address is private, and you come from 192.0.2.1; use EPSV, and let this server advertise its outside address.",
            &[PasvPrivateAddress],
        ),
        (
            425,
            "Nobody connected to 192.0.2.2:4000 from 192.0.2.1 in 30 s, but somebody did from elsewhere: your data connections probably leave from another address than your control connection.",
            &[DataPeerMismatch],
        ),
        (
            425,
            "The server's own system forbids connections to 192.0.2.1:5; use passive mode.",
            &[ServerEgressBlocked],
        ),
        (425, "192.0.2.1:5 cannot be reached from this server; use passive mode.", &[PortUnroutable]),
        (
            425,
            "192.0.2.1:5 did not answer in 9 s: a firewall or NAT before you probably drops incoming connections; use passive mode.",
            &[ClientRefusesInbound, PortUnroutable, ServerEgressBlocked],
        ),
        (
            425,
            "192.0.2.1:5 refused the connection: nothing listens there, or a firewall rejects it; use passive mode.",
            &[ClientRefusesInbound, PortUnroutable],
        ),
        (425, "Cannot connect from port 20: Permission denied.", &[SourcePortFiltered]),
        (522, "PASV cannot tell an IPv6 address, use EPSV (2).", &[FamilyMismatch]),
        (522, "This control connection is IPv4, use (1).", &[FamilyMismatch]),
        (421, "There are too many connections from your internet address.", &[SessionLimit]),
        (530, "Sorry, Too Many users (50) are already connected", &[SessionLimit]),
    ];
    for (code, text, causes) in said {
        assert_eq!(candidates(*code, text), *causes, "{code} {text}");
    }
}

#[test]
fn a_failure_of_data_tls_in_vsftpd_does_not_prove_that_the_session_had_to_be_resumed() {
    let text =
        "SSL connection failed; session reuse required: see require_ssl_reuse option in vsftpd.conf man page";
    let causes = candidates(522, text);
    assert_eq!(causes[0], TlsResumptionRequired);
    assert!(causes.len() > 1, "the text alone must leave others possible");
}

#[test]
fn a_connection_that_failed_is_told_by_vsftpd_alike_in_both_modes() {
    let causes = candidates(425, "Failed to establish connection.");
    assert!(causes.contains(&ClientRefusesInbound) && causes.contains(&PassivePortFiltered));
}

#[test]
fn traps_lead_to_no_cause() {
    for (code, text) in [
        (500, "Unknown command."),
        (500, "CLNT not understood"),
        (500, "'EPSV': command not understood."),
        (502, "MLST not implemented."),
        (550, "Failed to change directory."),
        (550, "Could not get file size."),
        (550, "SIZE not allowed in ASCII mode"),
        (226, "Transfer complete."),
        (227, "Entering Passive Mode (10,0,0,5,156,65)."),
        // The words of a failure in a banner or a listing's closing reply are no failure.
        (220, "Too many users yesterday"),
        (226, "Illegal PORT command."),
        (425, ""),
        (530, "Login incorrect."),
    ] {
        assert_eq!(candidates(code, text), [], "{code} {text}");
    }
}
