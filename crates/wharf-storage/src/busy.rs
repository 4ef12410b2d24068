//! What somebody writes just now: a second one has to wait.

use core::hash::Hash;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

/// The places that are taken.
#[derive(Debug)]
pub(crate) struct Busy<Place: Eq + Hash>(Arc<Mutex<HashSet<Place>>>);

impl<Place: Eq + Hash> Clone for Busy<Place> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<Place: Eq + Hash> Default for Busy<Place> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<Place: Eq + Hash + Clone> Busy<Place> {
    /// Takes a place; `None` where it is taken already.
    pub(crate) fn reserve(&self, place: Place) -> Option<Reserved<Place>> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.insert(place.clone()).then(|| Reserved { busy: self.clone(), place })
    }
}

/// A place that is ours until this is dropped.
#[derive(Debug)]
pub(crate) struct Reserved<Place: Eq + Hash> {
    busy: Busy<Place>,
    place: Place,
}

impl<Place: Eq + Hash> Drop for Reserved<Place> {
    fn drop(&mut self) {
        self.busy.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.place);
    }
}
