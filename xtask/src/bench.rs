//! Runs the benchmarks, and compares each value with a reference from the same run or with an absolute limit.

mod budgets;
mod estimate;

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::Verdict;
use crate::command::{cargo, passes, spelled};
use crate::workspace::target_folder;
use budgets::{Budget, Reference};
use estimate::Estimates;

/// Run the benchmarks, and compare the results with their budgets
///
/// Compares every value with an absolute limit, or with a reference that is measured in the same run, such as the bare
/// cost of the work or an alternative crate. Exits with status 1 if a budget is not met.
#[derive(Args)]
pub(crate) struct Bench {
    /// The part to measure
    #[arg(value_enum, default_value_t = Suite::Core)]
    suite: Suite,
    /// Print the results as one JSON array on standard output
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Suite {
    /// Merkle tree, vector clocks and conflict resolution
    Core,
    /// The wire format and the sync machine
    Proto,
    /// Sessions over QUIC, and the traffic of an idle cluster
    Net,
    /// A node: time on the scheduler's thread, memory, the store on its disk
    Bridge,
}

/// A benchmark. `size` and `disk` print their own results; criterion times all others.
struct Benchmark {
    package: &'static str,
    name: &'static str,
}

const fn benchmark(package: &'static str, name: &'static str) -> Benchmark {
    Benchmark { package, name }
}

impl Suite {
    fn benchmarks(self) -> &'static [Benchmark] {
        const CORE: &[Benchmark] = &[
            benchmark("engram-merkle", "time"),
            benchmark("engram-merkle", "size"),
            benchmark("engram-vclock", "time"),
            benchmark("engram-conflict", "time"),
        ];
        const PROTO: &[Benchmark] =
            &[benchmark("engram-gossip-proto", "time"), benchmark("engram-gossip-proto", "size")];
        const NET: &[Benchmark] = &[
            benchmark("engram-gossip-net", "time"),
            benchmark("engram-bridge", "net"),
            benchmark("engram-gossip-net", "size"),
        ];
        const BRIDGE: &[Benchmark] = &[
            benchmark("engram-bridge", "time"),
            benchmark("engram-bridge", "size"),
            benchmark("engram-bridge", "disk"),
        ];
        match self {
            Self::Core => CORE,
            Self::Proto => PROTO,
            Self::Net => NET,
            Self::Bridge => BRIDGE,
        }
    }

    fn budgets(self) -> &'static [Budget] {
        match self {
            Self::Core => budgets::CORE,
            Self::Proto => budgets::PROTO,
            Self::Net => budgets::NET,
            Self::Bridge => budgets::BRIDGE,
        }
    }
}

impl Bench {
    pub(crate) fn run(self) -> Result<Verdict> {
        // A separate folder, emptied first, so that results of earlier runs are not mistaken for
        // new ones.
        let home = target_folder()?.join("bench");
        if home.exists() {
            std::fs::remove_dir_all(&home)
                .with_context(|| format!("{}: cannot be emptied", home.display()))?;
        }
        let mut results = Vec::new();
        for benchmark in self.suite.benchmarks() {
            match benchmark.name {
                "size" | "disk" => results.extend(measure_sizes(benchmark)?),
                _ => measure_times(benchmark, &home)?,
            }
        }
        let estimates = Estimates::read(&home)?;
        let times = self.suite.budgets().iter().map(|budget| budget.judge(&estimates));
        let mut all = times.collect::<Result<Vec<_>>>()?;
        all.append(&mut results);
        if self.json {
            println!("{}", json!(all.iter().map(Measured::json).collect::<Vec<_>>()));
        } else {
            print!("{}", table(&all));
        }
        let met = all.iter().all(|measured| measured.met);
        Ok(if met { Verdict::Passed } else { Verdict::Failed })
    }
}

fn measure_times(benchmark: &Benchmark, home: &Path) -> Result<()> {
    let mut command = benchmark.command();
    command.args(["--", "--warm-up-time=0.5", "--measurement-time=2"]).env("CRITERION_HOME", home);
    if !passes(command.stdout(Stdio::from(std::io::stderr())))? {
        bail!("the measurement failed: {}", spelled(&command));
    }
    Ok(())
}

/// Runs a benchmark that prints its own results, and reads those lines of its output that are JSON
/// objects.
fn measure_sizes(benchmark: &Benchmark) -> Result<Vec<Measured>> {
    let mut command = benchmark.command();
    eprintln!("$ {}", spelled(&command));
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.with_context(|| format!("cannot start {}", spelled(&command)))?;
    if !output.status.success() {
        bail!("the measurement failed: {}", spelled(&command));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines().filter(|line| line.starts_with('{'));
    lines
        .map(|line| {
            Measured::parse(line)
                .with_context(|| format!("{} printed an invalid result: {line}", benchmark.package))
        })
        .collect()
}

impl Benchmark {
    fn command(&self) -> Command {
        let (package, name) =
            (format!("--package={}", self.package), format!("--bench={}", self.name));
        cargo(["bench", &package, "--all-features", &name])
    }
}

/// A row of the result.
#[derive(Clone, PartialEq, Debug)]
struct Measured {
    name: String,
    input: String,
    value: f64,
    unit: String,
    /// The reference measured in the same run, or the absolute limit.
    reference: String,
    ratio: f64,
    /// The maximum ratio; a value without a budget is only shown.
    budget: Option<f64>,
    met: bool,
}

impl Measured {
    fn parse(line: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(line)?;
        let text = |field: &str| {
            value[field].as_str().map(str::to_owned).with_context(|| format!("no {field}"))
        };
        let number = |field: &str| value[field].as_f64().with_context(|| format!("no {field}"));
        Ok(Self {
            name: text("name")?,
            input: value["input"]
                .as_str()
                .map_or_else(|| value["input"].to_string(), str::to_owned),
            value: number("value")?,
            unit: text("unit")?,
            reference: text("reference")?,
            ratio: number("ratio")?,
            budget: value["budget"].as_f64(),
            met: value["met"].as_bool().unwrap_or(true),
        })
    }

    fn json(&self) -> Value {
        json!({
            "name": self.name, "input": self.input, "value": self.value, "unit": self.unit,
            "reference": self.reference, "ratio": self.ratio, "budget": self.budget, "met": self.met,
        })
    }
}

impl Budget {
    fn judge(&self, estimates: &Estimates) -> Result<Measured> {
        let value = estimates.nanoseconds(self.ours)?;
        let (reference, base) = match self.reference {
            Reference::Measured { name, id } => (name.to_owned(), estimates.nanoseconds(id)?),
            Reference::Nanoseconds(limit) => (format!("{} as a limit", time(limit)), limit),
        };
        let ratio = value / base;
        Ok(Measured {
            name: self.name.to_owned(),
            input: self.input.to_owned(),
            value,
            unit: "ns".to_owned(),
            reference,
            ratio,
            budget: self.at_most,
            met: self.at_most.is_none_or(|limit| ratio <= limit),
        })
    }
}

fn table(measured: &[Measured]) -> String {
    let row = |cells: [&str; 6]| {
        let [name, input, value, reference, ratio, budget] = cells;
        format!("{name:<26} {input:<22} {value:>12}  {reference:<22} {ratio:>8} {budget:>8}")
    };
    let mut lines = vec![row(["name", "input", "value", "reference", "ratio", "at most"])];
    for measured in measured {
        let Measured { name, input, value, unit, reference, ratio, budget, met } = measured;
        let value = if unit == "ns" { time(*value) } else { format!("{value:.1} {unit}") };
        let budget = budget.map_or_else(String::new, |budget| format!("{budget:.2}"));
        let verdict = if *met { "" } else { "  NOT MET" };
        let line = row([name, input, &value, reference, &format!("{ratio:.2}"), &budget]);
        lines.push(line + verdict);
    }
    let missed = measured.iter().filter(|measured| !measured.met).count();
    lines.push(format!("\n{} values, {missed} budgets not met\n", measured.len()));
    lines.join("\n")
}

/// Formats a time in a suitable unit.
fn time(nanoseconds: f64) -> String {
    match nanoseconds {
        ..1e3 => format!("{nanoseconds:.1} ns"),
        1e3..1e6 => format!("{:.2} us", nanoseconds / 1e3),
        _ => format!("{:.2} ms", nanoseconds / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_budget_is_judged_by_the_ratio_of_one_run() {
        let scratch = Scratch::new().unwrap();
        for (name, time) in [("ours", 50.0), ("peer", 100.0)] {
            let folder = scratch.path().join(name).join("3/new");
            std::fs::create_dir_all(&folder).unwrap();
            let benchmark = json!({"full_id": format!("g/{name}/3")}).to_string();
            std::fs::write(folder.join("benchmark.json"), benchmark).unwrap();
            let times: Vec<f64> = (0..20).map(|sample| 10.0 * time + f64::from(sample)).collect();
            let sample = json!({"iters": vec![10; 20], "times": times}).to_string();
            std::fs::write(folder.join("sample.json"), sample).unwrap();
        }
        let estimates = Estimates::read(scratch.path()).unwrap();
        let reference = Reference::Measured { name: "peer", id: "g/peer/3" };
        let budget =
            Budget { name: "n", input: "3", ours: "g/ours/3", reference, at_most: Some(0.5) };
        let measured = budget.judge(&estimates).unwrap();
        assert_eq!((measured.value, measured.ratio, measured.met), (50.2, 50.2 / 100.2, false));
        assert!(Budget { at_most: Some(0.51), ..budget }.judge(&estimates).unwrap().met);
        assert!(Budget { at_most: None, ..budget }.judge(&estimates).unwrap().met);
        assert!(!Budget { at_most: Some(0.49), ..budget }.judge(&estimates).unwrap().met);
        let limited =
            Budget { reference: Reference::Nanoseconds(40.0), at_most: Some(1.0), ..budget };
        assert!(!limited.judge(&estimates).unwrap().met);
        let error =
            Budget { ours: "g/gone/3", ..budget }.judge(&estimates).unwrap_err().to_string();
        assert!(error.contains("g/gone/3"), "{error}");
    }

    #[test]
    fn a_line_of_sizes_is_taken_over() {
        let line = r#"{"name":"a","input":"3","value":10,"unit":"B","reference":"b","ratio":0.5,"budget":0.85,"met":true}"#;
        assert_eq!(Measured::parse(line).unwrap().json().to_string().len(), line.len() + 2);
        assert!(Measured::parse("{}").is_err());
    }

    #[test]
    fn missed_budget_is_marked() {
        let line = r#"{"name":"a","input":"3","value":10,"unit":"B","reference":"b","ratio":2,"budget":0.85,"met":false}"#;
        let table = table(&[Measured::parse(line).unwrap()]);
        assert!(table.contains("NOT MET") && table.contains("1 budgets not met"), "{table}");
    }
}
