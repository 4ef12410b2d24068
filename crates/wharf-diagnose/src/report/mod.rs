//! What was understood, told to people and programs.
