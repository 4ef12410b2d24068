//! Why a data connection fails: the root causes, their evidence and their fixes.
