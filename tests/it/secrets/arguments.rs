//! Can a secret be given where every user of the machine reads it? No argument takes one.

use clap::{Arg, Command, CommandFactory as _};
use signoff::cli::Cli;

/// Every argument of every verb, with the verb.
fn arguments(command: &Command, verb: &str) -> Vec<(String, Arg)> {
    let own = command.get_arguments().map(|argument| (verb.to_owned(), argument.clone()));
    let below = command.get_subcommands().flat_map(|inner| arguments(inner, &format!("{verb} {}", inner.get_name())));
    own.chain(below).collect()
}

fn takes(argument: &Arg, what: &str) -> bool {
    argument.get_value_names().into_iter().flatten().any(|name| name == what)
}

#[test]
fn no_argument_takes_a_secret() {
    let all = arguments(&Cli::command(), "signoff");
    assert!(all.len() > 30, "{} arguments", all.len());
    for (verb, argument) in &all {
        let name = argument.get_id().as_str().replace('-', "_");
        let secret =
            ["token", "secret", "password", "key", "credential", "bearer"].iter().any(|word| name.contains(word));
        assert!(!secret || takes(argument, "FILE"), "{verb} --{name} takes a secret");
    }
    // Where a URL may hold a password, a variable takes it, and the help does not show it.
    for name in ["amqp", "store"] {
        let (_, url) =
            all.iter().find(|(verb, argument)| verb == "signoff demo" && argument.get_id() == name).expect(name);
        assert!(url.get_env().is_some() && url.is_hide_env_values_set(), "{name}");
    }
}
