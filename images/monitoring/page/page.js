// The page of the monitoring: asks Prometheus, through the proxy, and draws what it says. Nothing is kept, nothing is
// asked of another host, and what is drawn is said in words, too.
"use strict";

const REFRESH = 30; // seconds
const POINTS = 240; // of a graph
const PATTERNS = [null, [7, 3], [2, 2], [10, 3, 2, 3], [4, 4], [12, 4]]; // lines differ without their colours, too
const GAUGES =
  "up|probe_success|probe_ssl_earliest_cert_expiry|monopco_(container_healthy|release_live|release_info|maintenance" +
  "|release_picture|backup_.*|backups_expected|wal_lag_seconds|drift_.*)";

const percent = (value) => `${number(value)} %`;
const milliseconds = (value) => `${number(value)} ms`;

// Graphs by section. Each query gives a line per series; `name` says what the line is called, `most` is the limit of an alert.
const GRAPHS = [
  {
    section: "requests", title: "Requests per second, by release", unit: number,
    queries: [{ query: "sum by (release) (rate(monopco_requests_total[$window]))", name: (labels) => labels.release }],
  },
  {
    section: "requests", title: "Requests that fail", unit: percent, most: 1,
    queries: [
      {
        query: "100 * sum by (release) (rate(monopco_request_errors_total[$window])) / (sum by (release) (rate(monopco_requests_total[$window])) > 0)",
        name: (labels) => labels.release,
      },
    ],
  },
  {
    section: "latency", title: "95 and 50 of 100 answers begin within", unit: milliseconds, most: 500,
    queries: [
      { query: "1000 * histogram_quantile(0.95, sum by (le) (rate(monopco_request_seconds_bucket[$window])))", name: () => "95 of 100" },
      { query: "1000 * histogram_quantile(0.5, sum by (le) (rate(monopco_request_seconds_bucket[$window])))", name: () => "50 of 100" },
    ],
  },
  {
    section: "machine", title: "In use", unit: percent, most: 80,
    queries: [
      { query: '100 * (1 - avg(rate(node_cpu_seconds_total{mode="idle"}[$window])))', name: () => "processors" },
      { query: "100 * monopco:memory:used", name: () => "memory" },
      { query: "100 * (1 - min(monopco:disk:free))", name: () => "fullest disk" },
    ],
  },
  {
    section: "containers", title: "Processors, by component", unit: number,
    queries: [{ query: "sum by (component) (rate(monopco_container_cpu_seconds_total[$window]))", name: (labels) => labels.component }],
  },
  {
    section: "containers", title: "Memory of the limit, by component", unit: percent,
    queries: [
      {
        query: "100 * max by (component) (monopco_container_memory_bytes / (monopco_container_memory_limit_bytes > 0))",
        name: (labels) => labels.component,
      },
    ],
  },
  {
    section: "database", title: "Connections", unit: number,
    queries: [
      { query: "sum(pg_stat_activity_count)", name: () => "open" },
      { query: 'sum(pg_stat_activity_count{state="active"})', name: () => "at work" },
    ],
  },
];

function number(value) {
  return value === null ? "–" : Number(value.toPrecision(3)).toLocaleString("en");
}

function element(name, content, classes) {
  const made = document.createElement(name);
  made.append(...[].concat(content ?? []));
  if (classes) {
    made.className = classes;
  }
  return made;
}

function when(seconds) {
  return new Date(seconds * 1000).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
}

function ago(seconds, now) {
  const passed = now - seconds;
  for (const [unit, size] of [["days", 86400], ["hours", 3600], ["minutes", 60]]) {
    if (passed >= 2 * size) {
      return `${Math.floor(passed / size)} ${unit} ago`;
    }
  }
  return "just now";
}

async function ask(path, parameters) {
  const answer = await fetch(`api/v1/${path}?${new URLSearchParams(parameters)}`, { cache: "no-store" });
  if (!answer.ok) {
    throw new Error(`the monitoring answers ${answer.status}`);
  }
  return (await answer.json()).data.result;
}

// What holds now: samples by the name of their metric.
async function gauges() {
  const found = new Map();
  const [plain, alerts] = await Promise.all([
    ask("query", { query: `{__name__=~"${GAUGES}"}` }),
    ask("query", { query: 'ALERTS{alertstate="firing",alertname!="Watchdog"}' }),
  ]);
  for (const { metric, value } of [...plain, ...alerts]) {
    const name = metric.__name__;
    found.set(name, [...(found.get(name) ?? []), { labels: metric, value: Number(value[1]) }]);
  }
  return (name) => found.get(name) ?? [];
}

// Moments at which a release became live, from the samples of `monopco_release_live`.
async function switches(span) {
  const marks = [];
  for (const { metric, values } of await ask("query_range", { query: "monopco_release_live", ...span })) {
    let before = null;
    for (const [at] of values) {
      if (at > Number(span.start) + 2 * Number(span.step) && (before === null || at - before > 1.5 * Number(span.step))) {
        marks.push({ at, release: metric.release });
      }
      before = at;
    }
  }
  return marks.sort((one, other) => one.at - other.at);
}

// The rows of a graph: [time, value of each line], where a line that has no value at a time has a null.
async function rows(graph, span, width) {
  const answers = await Promise.all(
    graph.queries.map((one) => ask("query_range", { query: one.query.replaceAll("$window", `${width}s`), ...span })),
  );
  const names = [], times = new Map();
  answers.forEach((series, index) => {
    for (const { metric, values } of series.sort((one, other) => JSON.stringify(one.metric) < JSON.stringify(other.metric) ? -1 : 1)) {
      const column = names.push(graph.queries[index].name(metric) || "none");
      for (const [at, value] of values) {
        const row = times.get(at) ?? times.set(at, []).get(at);
        row[column] = Number.isFinite(Number(value)) ? Number(value) : null;
      }
    }
  });
  const sorted = [...times.keys()].sort((one, other) => one - other);
  return {
    names,
    rows: sorted.map((at) => [new Date(at * 1000), ...names.map((_, index) => times.get(at)[index + 1] ?? null)]),
  };
}

function css(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// Lines that stand behind the data: the limit of an alert, and switches with the release's name.
function underlay(graph) {
  return (canvas, area, plot) => {
    const line = (from, to, pattern, colour) => {
      canvas.save();
      canvas.strokeStyle = colour;
      canvas.setLineDash(pattern);
      canvas.beginPath();
      canvas.moveTo(...from);
      canvas.lineTo(...to);
      canvas.stroke();
      canvas.restore();
    };
    if (graph.most !== undefined) {
      const y = plot.toDomYCoord(graph.most);
      if (y >= area.y && y <= area.y + area.h) {
        line([area.x, y], [area.x + area.w, y], [1, 3], css("--bad"));
      }
    }
    canvas.font = "11px system-ui, sans-serif";
    for (const { at, release } of graph.marks ?? []) {
      const x = plot.toDomXCoord(at * 1000);
      line([x, area.y], [x, area.y + area.h], [4, 2], css("--mark"));
      canvas.fillStyle = css("--mark");
      canvas.fillText(release, Math.min(x + 3, area.x + area.w - 70), area.y + 11);
    }
  };
}

function options(graph, names) {
  return {
    labels: ["time", ...names],
    colors: names.map((_, index) => css(`--series-${(index % 6) + 1}`)),
    series: Object.fromEntries(names.map((name, index) => [name, { strokePattern: PATTERNS[index % PATTERNS.length] }])),
    strokeWidth: 2,
    includeZero: true,
    connectSeparatedPoints: false,
    gridLineColor: css("--grid"),
    axisLineColor: css("--line"),
    axisLabelWidth: 60,
    axes: { y: { axisLabelFormatter: (value) => graph.unit(value) } },
    dateWindow: graph.window,
    underlayCallback: underlay(graph),
    interactionModel: {},
  };
}

// A small picture of a line's pattern, so that the legend does not rest on colours.
function swatch(index) {
  const picture = element("canvas", [], "swatch");
  picture.width = 64;
  picture.height = 16;
  const canvas = picture.getContext("2d");
  canvas.strokeStyle = css(`--series-${(index % 6) + 1}`);
  canvas.lineWidth = 4;
  canvas.setLineDash((PATTERNS[index % PATTERNS.length] ?? []).map((length) => 2 * length));
  canvas.beginPath();
  canvas.moveTo(0, 8);
  canvas.lineTo(64, 8);
  canvas.stroke();
  picture.setAttribute("aria-hidden", "true");
  return picture;
}

function words(graph, { names, rows: lines }) {
  return names.map((name, index) => {
    const values = lines.map((row) => row[index + 1]).filter((value) => value !== null);
    const last = lines.at(-1)[index + 1];
    return `${name} ${graph.unit(last)} now, ${graph.unit(values.length ? Math.max(...values) : null)} at most`;
  });
}

function place(graph) {
  if (!graph.chart) {
    graph.chart = element("div", [], "chart");
    graph.chart.setAttribute("role", "img");
    graph.words = element("p", [], "now");
    document.getElementById(graph.section).append(element("h3", graph.title), graph.chart, graph.words);
  }
}

function draw(graph, data) {
  graph.chart.hidden = data.rows.length === 0;
  if (data.rows.length === 0) {
    graph.words.replaceChildren("No figures in this time.");
    return;
  }
  const said = words(graph, data);
  const limit = graph.most === undefined ? "" : `; alert at ${graph.unit(graph.most)} (dotted)`;
  graph.chart.setAttribute("aria-label", `${graph.title}: ${said.join("; ")}${limit}`);
  graph.words.replaceChildren(...said.flatMap((text, index) => [index ? " · " : "", swatch(index), text]), limit);
  if (graph.plot) {
    graph.plot.updateOptions({ file: data.rows, ...options(graph, data.names) });
  } else {
    graph.plot = new Dygraph(graph.chart, data.rows, options(graph, data.names));
  }
}

function facts(list, pairs) {
  list.replaceChildren(...pairs.map(([term, content, classes]) => element("div", [element("dt", term), element("dd", content, classes)])));
}

function showHealth(now) {
  const alerts = now("ALERTS"), answers = now("probe_success")[0]?.value;
  const well = alerts.length === 0 && answers === 1;
  const verdict = document.getElementById("verdict");
  verdict.textContent = well ? "✓ All is well" : answers === 0 ? "✗ The site does not answer" : answers === undefined
    ? "… The site has not been tried yet" : `✗ ${alerts.length} ${alerts.length === 1 ? "alert" : "alerts"}`;
  verdict.className = `verdict ${well ? "good" : "bad"}`;
  document.getElementById("alerts").replaceChildren(...alerts.map(({ labels }) => element("li", [
    `${labels.alertname} (${labels.severity})`, labels.container || labels.instance ? `: ${labels.container ?? labels.instance}` : "",
  ])));
  const containers = now("monopco_container_healthy"), bad = containers.filter((one) => one.value === 0);
  const blind = now("up").filter((one) => one.value === 0);
  facts(document.getElementById("facts"), [
    ["Site", answers === 1 ? "answers" : answers === 0 ? "does not answer" : "unknown"],
    ["Live release", now("monopco_release_live")[0]?.labels.release ?? "none"],
    ["Maintenance page", now("monopco_maintenance")[0]?.value ? "shown" : "not shown"],
    ["Containers", bad.length ? `not well: ${bad.map((one) => one.labels.container).join(", ")}` : `${containers.length}, all well`],
    ["Not watched", blind.length ? blind.map((one) => one.labels.instance).join(", ") : "nothing"],
    ...now("monopco_drift_resources").map((one) => ["Changed by hand", one.value ? `${one.value} parts` : "nothing"]),
  ]);
}

function showCertificate(now, time) {
  const ends = now("probe_ssl_earliest_cert_expiry")[0]?.value;
  facts(document.querySelector("#certificate dl"), ends
    ? [["Ends", when(ends)], ["Days left", `${Math.floor((ends - time) / 86400)} (alert below 21)`]]
    : [["Ends", "unknown: the site has not been tried yet"]]);
}

function showBackups(now, time) {
  const at = (name) => now(name).map((one) => one.value).sort().at(-1);
  const told = (seconds) => seconds ? `${when(seconds)} (${ago(seconds, time)})` : "never";
  const lag = now("monopco_wal_lag_seconds")[0]?.value;
  const known = now("monopco_backups_expected")[0]?.value || at("monopco_backup_success_timestamp_seconds");
  facts(document.querySelector("#backups dl"), known
    ? [
        ["Last backup", told(at("monopco_backup_success_timestamp_seconds"))],
        ["Last one that was restored as a proof", told(at("monopco_backup_proved_timestamp_seconds"))],
        ["Changes not yet in the archive", lag === undefined ? "unknown" : `of the last ${number(lag)} s`],
      ]
    : [["Backups", "none are configured"]]);
}

// The home page as it was right after the switch to a release; the whole of it a click away.
function picture(release) {
  const small = element("img"), whole = element("a", small);
  small.src = whole.href = `pictures/${encodeURIComponent(release)}.png`;
  small.alt = `Home page of ${release}`;
  small.width = 160;
  small.height = 100;
  return whole;
}

function showReleases(now, marks) {
  const live = new Set(now("monopco_release_live").map((one) => one.labels.release));
  const pictures = new Set(now("monopco_release_picture").map((one) => one.labels.release));
  const became = new Map(marks.map((mark) => [mark.release, mark.at]));
  const made = now("monopco_release_info").map((one) => one.labels).sort((one, other) => (one.at < other.at ? 1 : -1));
  document.querySelector("#releases tbody").replaceChildren(...made.map((release) => element("tr", [
    element("td", element("code", release.release)),
    element("td", release.description || release.tag || "–"),
    element("td", release.at.replace("T", " ").replace("Z", " UTC")),
    element("td", release.commit ? element("code", release.commit) : "–"),
    element("td", live.has(release.release) ? "● live" : became.has(release.release) ? `since ${when(became.get(release.release))}` : ""),
    element("td", pictures.has(release.release) ? picture(release.release) : "–"),
  ])));
}

async function refresh() {
  const seconds = Number(document.getElementById("range").value), step = Math.max(15, Math.ceil(seconds / POINTS));
  const time = Math.floor(Date.now() / 1000 / step) * step, width = Math.max(60, 4 * step);
  const span = { start: String(time - seconds), end: String(time), step: String(step) };
  GRAPHS.forEach(place);
  try {
    const [now, marks, ...data] = await Promise.all([gauges(), switches(span), ...GRAPHS.map((graph) => rows(graph, span, width))]);
    showHealth(now);
    showCertificate(now, Date.now() / 1000);
    showBackups(now, Date.now() / 1000);
    showReleases(now, marks);
    GRAPHS.forEach((graph, index) => {
      graph.marks = marks;
      graph.window = [(time - seconds) * 1000, time * 1000];
      draw(graph, data[index]);
    });
    document.getElementById("updated").textContent = `As of ${new Date().toLocaleTimeString("en-GB")}`;
    document.body.dataset.state = "shown";
  } catch (problem) {
    document.getElementById("updated").textContent = `No figures: ${problem.message}. The site does not depend on them.`;
    document.body.dataset.state = "failed";
  }
}

function begin() {
  // The library's own legend writes styles into the page, which the policy refuses; ours is in words.
  Dygraph.PLUGINS = Dygraph.PLUGINS.filter((plugin) => plugin !== Dygraph.Plugins.Legend);
  document.getElementById("title").textContent = `Monitoring of ${location.hostname}`;
  document.title = `Monitoring of ${location.hostname}`;
  document.getElementById("range").addEventListener("change", refresh);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", refresh);
  setInterval(() => document.hidden || refresh(), REFRESH * 1000);
  refresh();
}

begin();
