//! Shell completions and manual pages, generated from the command line.

use std::process::ExitCode;
use std::{fs, io, iter};

use anyhow::Context;
use clap::{Command, CommandFactory};
use clap_mangen::Man as Page;

use crate::cli::{Cli, Completions, Man, print_out};

impl Completions {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let mut command = Cli::command();
        let name = command.get_name().to_owned();
        // The generator panics if it cannot write, so it writes to memory.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, name, &mut script);
        print_out(String::from_utf8(script)?)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Man {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let mut command = Cli::command().disable_help_subcommand(true);
        // This sets the names of the pages and adds the options that all commands share.
        command.build();
        match &self.out {
            Some(folder) => {
                let write = || -> io::Result<()> {
                    fs::create_dir_all(folder)?;
                    let commands = iter::once(&command).chain(command.get_subcommands());
                    commands.map(page).try_for_each(|page| page.generate_to(folder).map(drop))
                };
                write().with_context(|| format!("cannot write to {}", folder.display()))?;
            }
            None => {
                let mut text = Vec::new();
                page(&command).render(&mut text)?;
                print_out(String::from_utf8(text)?)?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Returns the page of a command. It names the version alone, so that two builds of it print the same.
fn page(command: &Command) -> Page {
    let source = concat!("retry-gateway ", env!("CARGO_PKG_VERSION"));
    Page::new(command.clone().long_version(None)).source(source)
}
