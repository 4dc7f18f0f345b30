//! Do the example applications do what they show, with a real provider, a real browser, real stores?

mod browser;
mod process;
mod provider;
mod replicas;
mod site;
mod user;
mod webdriver;
