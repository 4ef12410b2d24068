//! A users file that is changed by a program and kept by a person: comments, order and spaces stay.

use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, Result};
use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, value};
use wharf_server::auth::{Accounts, UserSettings, UsersFile};

/// What stands above the first user of a file that this program makes.
const HEADER: &str = "\
# The users of a Wharf server; docs/users.md lists what can stand here. `wharf user` keeps this file and leaves everything else in
# it as it is. A server reads it anew on SIGHUP.

";
/// For its owner alone: it holds password hashes.
const MODE: u32 = 0o600;

/// The document.
#[derive(Debug)]
pub(crate) struct UsersDocument(DocumentMut);

impl UsersDocument {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or is no users file.
    pub(crate) fn read(file: &Path) -> Result<Self> {
        let text =
            std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        Self::parse(&text).with_context(|| format!("{} is not understood", file.display()))
    }

    /// Reads a file, or begins one where there is none.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(crate) fn read_or_new(file: &Path) -> Result<Self> {
        if file.exists() { Self::read(file) } else { Self::parse(HEADER) }
    }

    fn parse(text: &str) -> Result<Self> {
        Ok(Self(text.parse()?))
    }

    fn tables(&self) -> impl Iterator<Item = &Table> {
        self.0.get("user").and_then(Item::as_array_of_tables).into_iter().flat_map(ArrayOfTables::iter)
    }

    fn table_mut(&mut self, name: &str) -> Option<&mut Table> {
        let tables = self.0.get_mut("user").and_then(Item::as_array_of_tables_mut)?;
        tables.iter_mut().find(|table| is_named(table, name))
    }

    /// Whether there is such a user.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.tables().any(|table| is_named(table, name))
    }

    /// Each user, and a line about it.
    pub(crate) fn users(&self) -> impl Iterator<Item = (&str, String)> {
        self.tables().filter_map(|table| {
            let name = table.get("name")?.as_str()?;
            let about = table.iter().filter(|(key, _)| *key != "name" && *key != "password");
            let about = about.map(|(key, item)| format!("{key} = {}", item.to_string().trim()));
            Some((name, about.collect::<Vec<_>>().join("  ")))
        })
    }

    /// Adds a user behind the others.
    pub(crate) fn add(&mut self, name: &str, root: Option<&str>, rights: &[String]) {
        let mut table = Table::new();
        table.insert("name", value(name));
        if let Some(root) = root {
            table.insert("root", value(root));
        }
        if !rights.is_empty() {
            table.insert("rights", value(rights.iter().collect::<Array>()));
        }
        // Comments alone stand at a document's end, and would be behind the user.
        if self.0.is_empty() {
            table.decor_mut().set_prefix(self.0.trailing().as_str().unwrap_or_default());
            self.0.set_trailing("");
        }
        let users = self.0.entry("user").or_insert(Item::ArrayOfTables(ArrayOfTables::new()));
        if let Some(users) = users.as_array_of_tables_mut() {
            users.push(table);
        }
    }

    /// Gives a user this hash.
    pub(crate) fn set_password(&mut self, name: &str, hash: &str) {
        if let Some(table) = self.table_mut(name) {
            // In its place the old value's comment stays too.
            match table.get_mut("password").and_then(Item::as_value_mut) {
                Some(old) => {
                    let decor = old.decor().clone();
                    *old = hash.into();
                    *old.decor_mut() = decor;
                }
                None => _ = table.insert("password", value(hash)),
            }
        }
    }

    /// Removes a user, with the comments that stand at it.
    pub(crate) fn remove(&mut self, name: &str) {
        if let Some(users) = self.0.get_mut("user").and_then(Item::as_array_of_tables_mut) {
            users.retain(|table| !is_named(table, name));
        }
    }

    /// Whether a server would take the file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn check(&self, file: &Path) -> Result<()> {
        let users: UsersFile = toml::from_str(&self.0.to_string())
            .with_context(|| format!("{} is not understood", file.display()))?;
        users
            .add_to(&mut Accounts::default(), &UserSettings::default())
            .map_err(|problem| anyhow::anyhow!("{}: {problem}", file.display()))
    }

    /// Writes the file: whoever reads it meanwhile sees the old one or the new one whole. The old one's owner and mode stay; a
    /// new file is its owner's alone.
    ///
    /// # Errors
    /// When the file would not be understood, or cannot be written.
    pub(crate) fn write(&self, file: &Path) -> Result<()> {
        self.check(file)?;
        // A symbolic link stays one.
        let file = file.canonicalize().unwrap_or_else(|_| file.to_owned());
        let before = std::fs::metadata(&file).ok();
        let mut new = file.clone().into_os_string();
        new.push(format!(".{}.new", std::process::id()));
        let written = (|| -> std::io::Result<()> {
            let mut output =
                std::fs::OpenOptions::new().write(true).create_new(true).mode(MODE).open(&new)?;
            if let Some(before) = &before {
                use std::os::unix::fs::MetadataExt;
                if before.uid() != rustix::process::geteuid().as_raw()
                    || before.gid() != rustix::process::getegid().as_raw()
                {
                    std::os::unix::fs::fchown(&output, Some(before.uid()), Some(before.gid()))?;
                }
                output.set_permissions(std::fs::Permissions::from_mode(before.mode() & 0o777))?;
            }
            output.write_all(self.0.to_string().as_bytes())?;
            output.sync_all()?;
            std::fs::rename(&new, &file)
        })();
        written
            .inspect_err(|_| _ = std::fs::remove_file(&new))
            .with_context(|| format!("cannot write {}", file.display()))
    }
}

fn is_named(table: &Table, name: &str) -> bool {
    table.get("name").and_then(Item::as_str) == Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEPT: &str = "# ours\n[defaults] # for all\nroot = '/srv/%u'\n\n# the gate\n[[user]]\nname = \"gate\"   # by the road\n\
                        password = \"old\"   # of spring\nsessions = 2\n\n# the hall\n[[user]]\nname = \"hall\"\npassword = \"older\"\n";

    #[test]
    fn comments_and_order_stay() {
        let mut document = UsersDocument::parse(KEPT).unwrap();
        document.set_password("gate", "new");
        assert_eq!(document.0.to_string(), KEPT.replace("\"old\"", "\"new\""));
        document.add("yard", Some("/srv/yard"), &["read".to_owned(), "list".to_owned()]);
        document.set_password("yard", "hash");
        let added = "\n[[user]]\nname = \"yard\"\nroot = \"/srv/yard\"\nrights = [\"read\", \"list\"]\npassword = \"hash\"\n";
        assert_eq!(document.0.to_string(), KEPT.replace("\"old\"", "\"new\"") + added);
        document.remove("hall");
        let text = document.0.to_string();
        assert!(text.contains("# the gate") && !text.contains("hall"), "{text}");
        assert_eq!(document.users().map(|(name, _)| name).collect::<Vec<_>>(), ["gate", "yard"]);
    }
}
