//! What is made of the command line for others to read: shells, and `man`.

use std::process::ExitCode;
use std::{fs, io, iter};

use anyhow::Context;
use clap::{Command, CommandFactory};
use clap_mangen::Man as Page;

use crate::cli::{Cli, Completions, Man, say};

impl Completions {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let mut command = Cli::command();
        let name = command.get_name().to_owned();
        // Into memory first: it panics where it cannot write.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, name, &mut script);
        say(String::from_utf8(script)?)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Man {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let mut command = Cli::command().disable_help_subcommand(true);
        // It names the pages, and the options that all commands have.
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
                say(String::from_utf8(text)?)?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The page of a command, of a version and not of a build.
fn page(command: &Command) -> Page {
    let source = concat!("retry-gateway ", env!("CARGO_PKG_VERSION"));
    Page::new(command.clone().long_version(None)).source(source)
}
