//! `wharf serve` as a service of the machine: its log, its privileges, its manager, and reloads.
//!
//! | file | job |
//! |---|---|
//! | `log.rs` | where log lines go, and opening that anew |
//! | `privileges.rs` | becoming another user, and giving up every capability but one |
//! | `sandbox.rs` | Landlock: what the process can still reach |
//! | `manager.rs` | systemd: ready, reloading, stopping, watchdog, sockets that it opened |
//! | `reload.rs` | SIGHUP |

pub(crate) mod log;
pub(crate) mod manager;
pub(crate) mod privileges;
pub(crate) mod reload;
pub(crate) mod sandbox;
