//! The catalogue is whole: every id of root-causes.md, and a text for each that helps a person.

use std::collections::BTreeSet;

use wharf_findings::{Cause, EvidenceKind, KNOWN_TEXTS, Language, UnknownCause};

/// The ids of root-causes.md, section by section.
const IDS: &str = "
    pasv-private-address pasv-wrong-address hairpin passive-port-filtered passive-port-refused port-renumbered
    alg-rewrite tls-blinds-alg alg-not-attached alg-drops port-taken-by-other-alg

    port-unroutable client-refuses-inbound server-egress-blocked source-port-filtered mode-disabled

    extended-unsupported epsv-only-text epsv-all malformed-reply family-mismatch nat64 no-negotiation

    data-peer-mismatch wrong-backend stolen-accept range-exhausted ports-unpublished bounce-refused

    tls-resumption-required prot-mismatch missing-close-notify tls-order-deadlock tls-no-common-version
    certificate-invalid tls-required

    control-cut-idle slow-completion session-limit mtu-black-hole transfer-cut server-misconfigured
    control-unreachable ascii-damaged not-network
";

#[test]
fn the_causes_are_those_of_the_catalogue_in_its_order() {
    let listed: Vec<_> = IDS.split_whitespace().collect();
    let known: Vec<_> = Cause::ALL.iter().map(|cause| cause.id()).collect();
    assert_eq!(known, listed);
    assert_eq!(known.iter().collect::<BTreeSet<_>>().len(), known.len(), "an id twice");
}

#[test]
fn an_id_leads_back_to_its_cause() {
    for &cause in Cause::ALL {
        assert_eq!(Cause::from_id(cause.id()), Some(cause));
        assert_eq!(cause.id().parse(), Ok(cause));
        assert_eq!(cause.to_string(), cause.id());
        let json = serde_json::to_string(&cause).unwrap();
        assert_eq!(json, format!("\"{}\"", cause.id()));
        assert_eq!(serde_json::from_str::<Cause>(&json).unwrap(), cause);
    }
    assert_eq!("Hairpin".parse::<Cause>(), Err(UnknownCause("Hairpin".into())));
    assert!(
        serde_json::from_str::<Cause>("\"hair\\npin\"").unwrap_err().to_string().contains("hair\\u{a}pin")
    );
}

#[test]
fn every_cause_has_a_summary_and_somebody_who_can_change_something() {
    for &cause in Cause::ALL {
        assert_sentence(cause, cause.summary(Language::English));
        assert_chinese(cause, cause.summary(Language::Chinese));
        let fix = cause.fix();
        let fixes: Vec<_> = [fix.client, fix.server, fix.middle].into_iter().flatten().collect();
        assert!(!fixes.is_empty(), "{cause}: nobody can change anything");
        for text in fixes {
            assert_sentence(cause, text.in_language(Language::English));
            assert!(text.exists_in(Language::Chinese), "{cause}: a fix without a translation");
            assert_chinese(cause, text.in_language(Language::Chinese));
        }
    }
}

/// A sentence for people: begins with a capital, ends with a full stop, and has words that are no abbreviations.
fn assert_sentence(cause: Cause, text: &str) {
    assert!(text.starts_with(char::is_uppercase), "{cause}: {text:?}");
    assert!(text.ends_with('.') && !text.ends_with(".."), "{cause}: {text:?}");
    assert!(!text.contains("  ") && !text.contains('\n'), "{cause}: blanks in {text:?}");
    for sentence in text.split_inclusive(". ") {
        let words = sentence.split_whitespace().filter(|word| word.chars().any(char::is_lowercase)).count();
        assert!(words >= 5, "{cause}: says too little: {sentence:?}");
    }
}

fn assert_chinese(cause: Cause, text: &str) {
    let han = text.chars().filter(|c| ('\u{4e00}'..='\u{9fff}').contains(c)).count();
    assert!(han >= 6, "{cause}: not translated: {text:?}");
    assert!(text.ends_with('。') && !text.contains("  ") && !text.contains('\n'), "{cause}: {text:?}");
}

#[test]
fn every_cause_is_decided_by_something_and_every_evidence_matters_to_a_cause() {
    let mut used = Vec::new();
    for &cause in Cause::ALL {
        assert!(!cause.decided_by().is_empty(), "{cause}: nothing decides it");
        for kind in cause.hinted_by() {
            assert!(!cause.decided_by().contains(kind), "{cause}: {kind:?} both decides and hints");
        }
        used.extend(cause.decided_by().iter().chain(cause.hinted_by()));
    }
    for kind in EvidenceKind::ALL {
        assert!(used.contains(kind), "{kind:?} is evidence for nothing");
    }
}

#[test]
fn a_text_that_points_to_a_cause_can_become_a_finding() {
    for known in KNOWN_TEXTS {
        assert!(!known.candidates.is_empty(), "{known:?}");
        for cause in known.candidates {
            let kinds = [cause.decided_by(), cause.hinted_by()].concat();
            assert!(
                kinds.contains(&EvidenceKind::ReplyReceived),
                "{cause}: a reply cannot point to it, yet {known:?} does"
            );
        }
    }
}
