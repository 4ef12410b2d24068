//! Becoming another user, and giving up every capability but the one that binds low ports.
//!
//! Both are a thread's own in Linux, so they are done before any other thread is there.

use std::fs;

use anyhow::{Context, Result, bail};
use rustix::process::{Gid, Uid, geteuid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_keep_capabilities, set_no_new_privs,
    set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

use crate::config::Configuration;

/// What is kept: ports below 1024, 20 for active data connections among them.
const KEPT: CapabilitySet = CapabilitySet::NET_BIND_SERVICE;

/// Becomes the user that the configuration names, if it names one.
///
/// # Errors
/// When there is no such user or group, or this process may not become it.
pub(crate) fn become_user(configuration: &Configuration) -> Result<()> {
    let Some(name) = &configuration.user else {
        if configuration.group.is_some() {
            bail!("`group` is set without `user`: name the user to become too");
        }
        return Ok(());
    };
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let (user, own_group) = find(&passwd, name, 2).with_context(|| no_such("user", name, "/etc/passwd"))?;
    let groups = fs::read_to_string("/etc/group").unwrap_or_default();
    let group = match &configuration.group {
        Some(group) => find(&groups, group, 2).with_context(|| no_such("group", group, "/etc/group"))?.0,
        None => own_group.with_context(|| {
            format!("user = \"{name}\" is a number without an entry in /etc/passwd: set `group`")
        })?,
    };
    if geteuid().as_raw() == user {
        return Ok(());
    }
    if !geteuid().is_root() {
        bail!("user = \"{name}\": only a server that is started as root can become another user");
    }
    let (user, group) = (Uid::from_raw(user), Gid::from_raw(group));
    let supplementary: Vec<Gid> = member_of(&groups, name).map(Gid::from_raw).chain([group]).collect();
    let become_it = || -> rustix::io::Result<()> {
        drop_bounding_set()?;
        set_thread_groups(&supplementary)?;
        set_thread_res_gid(group, group, group)?;
        // Else the ports below 1024 would be gone with the user.
        set_keep_capabilities(true)?;
        set_thread_res_uid(user, user, user)?;
        set_keep_capabilities(false)?;
        let kept = capabilities(None)?.permitted & KEPT;
        set_capabilities(
            None,
            CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() },
        )
    };
    become_it().with_context(|| format!("cannot become user {name}"))
}

fn no_such(what: &str, name: &str, file: &str) -> String {
    format!("{what} = \"{name}\": there is no such {what} in {file}")
}

/// The number of `name` in a file like /etc/passwd, and the field behind it where that is a number too.
fn find(file: &str, name: &str, field: usize) -> Option<(u32, Option<u32>)> {
    let entry = file.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| {
        fields.first() == Some(&name) || fields.get(field).is_some_and(|number| *number == name)
    });
    match entry {
        Some(fields) => {
            let number = |at: usize| fields.get(at).and_then(|text| text.parse().ok());
            Some((number(field)?, number(field + 1)))
        }
        None => Some((name.parse().ok()?, None)),
    }
}

/// The groups that name the user as a member.
fn member_of<'a>(groups: &'a str, user: &'a str) -> impl Iterator<Item = u32> + 'a {
    groups.lines().filter_map(move |line| {
        let fields: Vec<&str> = line.split(':').collect();
        let is_member = fields.get(3).is_some_and(|members| members.split(',').any(|member| member == user));
        fields.get(2).filter(|_| is_member)?.parse().ok()
    })
}

/// What no program that is started can get, root's rights or not. Who may not change this set has no such rights to give.
fn drop_bounding_set() -> rustix::io::Result<()> {
    if !capabilities(None)?.effective.contains(CapabilitySet::SETPCAP) {
        return Ok(());
    }
    for capability in CapabilitySet::all().difference(KEPT).iter() {
        match remove_capability_from_bounding_set(capability) {
            // A capability that this kernel does not know.
            Ok(()) | Err(rustix::io::Errno::INVAL) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Gives up every capability but the one that is kept, for good: neither this process nor a program that it starts gets
/// another.
///
/// # Errors
/// When the kernel refuses.
pub(crate) fn drop_capabilities() -> Result<()> {
    let dropped = || -> rustix::io::Result<()> {
        drop_bounding_set()?;
        let present = capabilities(None)?;
        // What a service manager gave to this process is not for the programs that it starts.
        match clear_ambient_capability_set() {
            Ok(()) | Err(rustix::io::Errno::INVAL) => {}
            Err(error) => return Err(error),
        }
        let kept = present.permitted & KEPT;
        set_capabilities(
            None,
            CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() },
        )?;
        set_no_new_privs(true)
    };
    dropped().context("cannot give up the capabilities")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nftp:x:107:65534::/srv/ftp:/usr/sbin/nologin\n";
    const GROUPS: &str = "root:x:0:\nmedia:x:50:ftp,other\nvideo:x:44:someone\n";

    #[test]
    fn users_and_groups_are_found_by_name_and_by_number() {
        assert_eq!(find(PASSWD, "ftp", 2), Some((107, Some(65534))));
        assert_eq!(find(PASSWD, "107", 2), Some((107, Some(65534))));
        assert_eq!(find(PASSWD, "4711", 2), Some((4711, None)));
        assert_eq!(find(PASSWD, "nobody", 2), None);
        assert_eq!(find(GROUPS, "media", 2), Some((50, None)));
        assert_eq!(member_of(GROUPS, "ftp").collect::<Vec<_>>(), [50]);
    }
}
