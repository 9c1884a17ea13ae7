//! The program `relay` as it is run. Apart from the relays within one process: a process that is being started holds for a moment
//! what its starter has open, the locks and the sockets that listen too.

mod command;
mod operations;
mod process;
