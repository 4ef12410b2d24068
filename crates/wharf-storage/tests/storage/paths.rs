//! Nothing that a client sends becomes a path that leads out, or a component that a kernel would read otherwise.

use proptest::collection::vec;
use proptest::prelude::*;
use wharf_storage::{MAX_COMPONENTS, MAX_NAME, MAX_PATH, PathError, StorageError, StoragePath};

fn resolved(cwd: &str, path: &str) -> Result<String, PathError> {
    let cwd = StoragePath::root().resolve(cwd.as_bytes())?;
    Ok(String::from_utf8(cwd.resolve(path.as_bytes())?.as_bytes().to_vec()).unwrap())
}

#[test]
fn paths_are_normalised() {
    for (cwd, path, expected) in [
        ("/", "/", "/"),
        ("/", ".", "/"),
        ("/", "a", "/a"),
        ("/", "/a/b/", "/a/b"),
        ("/", "//a//./b", "/a/b"),
        ("/a/b", "c", "/a/b/c"),
        ("/a/b", "/c", "/c"),
        ("/a/b", "..", "/a"),
        ("/a/b", "../..", "/"),
        ("/a/b", "../c/./../d/", "/a/d"),
        ("/a/b", "/..a/...", "/..a/..."),
        ("/a", "b\\..\\c", "/a/b\\..\\c"),
        ("/a", "x/..", "/a"),
    ] {
        assert_eq!(resolved(cwd, path).as_deref(), Ok(expected), "{path} in {cwd}");
    }
}

#[test]
fn traversal_is_an_error_and_not_clamped() {
    for (cwd, path) in [
        ("/", ".."),
        ("/", "/.."),
        ("/", "../etc/passwd"),
        ("/", "/../etc/passwd"),
        ("/", "a/../.."),
        ("/", "a/../../a"),
        ("/a/b", "../../.."),
        ("/a/b", "/a/../../a/b"),
        ("/", "./.././"),
    ] {
        assert_eq!(resolved(cwd, path), Err(PathError::AboveRoot), "{path} in {cwd}");
    }
    assert!(matches!(StorageError::from(PathError::AboveRoot), StorageError::OutsideRoot));
}

#[test]
fn cdup_at_the_root_stays_there() {
    let root = StoragePath::root();
    assert_eq!(root.parent(), root);
    assert_eq!(root.file_name(), None);
    let deep = root.resolve(b"/a/b").unwrap();
    assert_eq!(deep.parent().as_bytes(), b"/a");
    assert_eq!(deep.parent().parent(), root);
    assert_eq!(deep.file_name(), Some(&b"b"[..]));
}

#[test]
fn what_cannot_be_a_path_is_refused() {
    let root = StoragePath::root();
    assert_eq!(root.resolve(b""), Err(PathError::Empty));
    assert_eq!(root.resolve(b"a\0b"), Err(PathError::Nul));
    assert_eq!(root.join(b"a\0b"), Err(PathError::Nul));
    for no_name in [&b""[..], b".", b"..", b"a/b", b"/", b"a/"] {
        assert_eq!(root.join(no_name), Err(PathError::NotAName));
    }
    let too_long = vec![b'x'; MAX_NAME + 1];
    assert_eq!(root.resolve(&too_long), Err(PathError::NameTooLong));
    assert_eq!(root.resolve(&"y".repeat(200).repeat(30).into_bytes()), Err(PathError::NameTooLong));
    assert_eq!(root.resolve("/x".repeat(MAX_COMPONENTS + 1).as_bytes()), Err(PathError::TooDeep));
    assert!(root.resolve("/x".repeat(MAX_COMPONENTS).as_bytes()).is_ok());
    let long = format!("/{}", "z".repeat(MAX_NAME)).repeat(16);
    assert_eq!(root.resolve(long.as_bytes()), Err(PathError::TooLong));
    // What is taken back does not count.
    let there_and_back = "a/../".repeat(10_000);
    assert_eq!(root.resolve(there_and_back.as_bytes()), Ok(root));
}

#[test]
fn a_path_is_within_its_directories_and_not_within_their_namesakes() {
    let at = |text: &str| StoragePath::root().resolve(text.as_bytes()).unwrap();
    for (path, directory, expected) in [
        ("/a/b", "/a", true),
        ("/a/b", "/", true),
        ("/a", "/a", true),
        ("/", "/", true),
        ("/ab", "/a", false),
        ("/a", "/a/b", false),
        ("/", "/a", false),
    ] {
        assert_eq!(at(path).is_within(&at(directory)), expected, "{path} within {directory}");
    }
}

#[test]
fn debug_is_one_line_of_ascii() {
    let odd = StoragePath::root().join(b"new\nline \xE9 \"x\"").unwrap();
    assert_eq!(format!("{odd:?}"), r#""/new\nline \xe9 \"x\"""#);
}

/// Bytes that are mostly what attacks are made of.
fn client_path() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => Just(b"..".to_vec()),
        2 => Just(b".".to_vec()),
        4 => Just(b"/".to_vec()),
        1 => Just(b"\0".to_vec()),
        1 => Just(vec![b'x'; 256]),
        4 => vec(any::<u8>(), 0..6),
        2 => Just(b"a".to_vec()),
    ];
    vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn assert_safe(path: &StoragePath) {
    let text = path.as_bytes();
    assert!(text.len() <= MAX_PATH && text[0] == b'/' && !text.contains(&0));
    assert!(text == b"/" || !text.ends_with(b"/"), "{path:?}");
    let mut count = 0;
    if !path.is_root() {
        for component in text[1..].split(|&byte| byte == b'/') {
            assert!(!matches!(component, b"" | b"." | b"..") && component.len() <= MAX_NAME, "{path:?}");
            count += 1;
        }
    }
    assert!(count <= MAX_COMPONENTS);
    assert_eq!(path.components().count(), count);
    assert_eq!(path.components().last(), path.file_name());
}

proptest! {
    #[test]
    fn no_input_makes_an_unsafe_path(inputs in vec((client_path(), any::<u8>()), 1..12)) {
        let mut cwd = StoragePath::root();
        for (input, choice) in inputs {
            let next = match choice % 4 {
                0 => Ok(cwd.parent()),
                1 => cwd.join(&input),
                _ => cwd.resolve(&input),
            };
            if let Ok(next) = next {
                assert_safe(&next);
                cwd = next;
            }
        }
    }

    #[test]
    fn what_is_told_leads_back(input in client_path(), other in client_path()) {
        if let Ok(place) = StoragePath::root().resolve(&input) {
            prop_assert_eq!(place.resolve(place.as_bytes()), Ok(place.clone()));
            prop_assert!(place.is_within(&place.parent()));
            if let Some(name) = place.file_name() {
                prop_assert_eq!(place.parent().join(name), Ok(place.clone()));
            }
            if let Ok(inner) = place.resolve(&other) {
                assert_safe(&inner);
            }
        }
    }
}
