//! What holds for a session because of who is logged in.

use std::sync::Arc;

use wharf_net::dtp::ThirdParties;
use wharf_storage::{Storage, StoragePath};

use super::Session;
use crate::auth::Identity;
use crate::charset::Charset;
use crate::config::Modes;
use crate::listing::View;
use crate::policy::{Policy, Rights};

impl Session {
    /// The user's name as logs show it.
    pub(crate) fn who(&self) -> Arc<str> {
        match self.login.as_ref().map(|login| &login.identity) {
            Some(Identity::User(name)) => wharf_proto::pathname::escaped(name).to_string().into(),
            _ => "anonymous".into(),
        }
    }

    /// The hosts beside the client with which this user may exchange files (S16).
    pub(crate) fn third_parties(&self) -> ThirdParties {
        let Some(login) = &self.login else { return ThirdParties::Nobody };
        let name = login.identity.name();
        if self.shared.config.fxp.users.iter().any(|user| user == name) {
            ThirdParties::Anyone
        } else if self.shared.fxp_networks.is_empty() {
            ThirdParties::Nobody
        } else {
            ThirdParties::Networks(self.shared.fxp_networks.clone())
        }
    }

    /// What the user may do; nothing while nobody is logged in.
    pub(crate) fn policy(&self) -> &Policy {
        const NOTHING: &Policy = &Policy::everywhere(Rights::NONE);
        self.login.as_ref().map_or(NOTHING, |login| &login.settings.policy)
    }

    /// The files that the user sees.
    pub(crate) fn storage(&self) -> &Arc<dyn Storage> {
        self.login.as_ref().map_or(&self.shared.storage, |login| &login.storage)
    }

    /// The modes on offer for the user.
    pub(crate) fn modes(&self) -> Modes {
        let own = self.login.as_ref().and_then(|login| login.settings.modes);
        own.unwrap_or(self.shared.config.modes)
    }

    /// How listings show what lies in `directory`.
    pub(crate) fn view(&self, directory: StoragePath) -> View {
        View {
            settings: self.login.as_ref().map(|login| login.settings.clone()),
            directory,
            charset: self.charset(),
        }
    }

    /// Goes over to the configuration that is present, before somebody logs in.
    pub(crate) fn follow_reload(&mut self) {
        if let Some(present) = self.shared.common.present() {
            self.shared = present;
        }
    }

    /// The character set of names on the wire.
    pub(crate) fn charset(&self) -> Charset {
        if self.wants_utf8 {
            return Charset::UTF8;
        }
        let own = self.login.as_ref().and_then(|login| login.settings.charset);
        own.unwrap_or_else(|| self.shared.config.charset.for_client(self.client()))
    }
}
