"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const colour = name => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
// Plotly reads a few tags in texts: foreign text is shown as it is
const plain = text => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
const wrap = text => plain(text).replace(/(.{1,70})(\s|$)/g, "$1<br>").replace(/<br>$/, "");
const shown = (value, digits = 4) => value === null || value === undefined ? "–"
  : new Intl.NumberFormat("en", {maximumSignificantDigits: digits}).format(value);
const narrow = () => innerWidth < 640;
const MARKS = {
  alert_raised: ["bad", "triangle-down"], promoted: ["good", "circle"], refused: ["warn", "x"],
  rolled_back: ["violet", "diamond"], recovered: ["violet", "diamond"], retired: ["soft", "square"],
  rollout_started: ["calm", "triangle-right"], rollout_grown: ["calm", "triangle-right"],
};
const options = {responsive: true, displaylogo: false, displayModeBar: false};

function layout(height, margin) {
  return {
    height, margin: {l: narrow() ? 44 : 58, r: 14, t: 10, b: 30, ...margin}, hovermode: "closest",
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false,
    font: {family: "system-ui, sans-serif", size: 12, color: colour("soft")},
    hoverlabel: {bgcolor: colour("raised"), bordercolor: colour("line"), align: "left",
      font: {color: colour("ink"), size: 12.5}},
  };
}
const axis = more => ({gridcolor: colour("line"), linecolor: colour("line"), zeroline: false,
  automargin: true, fixedrange: false, ...more});

const times = data.windows.ends.concat(data.marks.map(mark => mark.at)).map(Date.parse);
const whole = Math.max(...times) - Math.min(...times) || 1;
const share = band => (Date.parse(band.end) - Date.parse(band.start)) / whole;

// marks of one moment stand above each other
const placeOf = (mark, k) => data.marks.slice(0, k).filter(other =>
  Math.abs(Date.parse(other.at) - Date.parse(mark.at)) < whole * 0.008).length;

function drawTimeline(box) {
  const traces = [], shapes = [], notes = [], panels = data.trends.length;
  const height = panels * 210 + 96, top = 1 - 58 / height, step = top / panels;
  const figure = layout(height, {t: 8});
  figure.xaxis = axis({type: "date", showgrid: false, anchor: panels === 1 ? "y" : `y${panels}`});
  data.trends.forEach((trend, k) => {
    const y = k ? `y${k + 1}` : "y", domain = [top - step * (k + 1) + 0.05, top - step * k - 0.02];
    figure[k ? `yaxis${k + 1}` : "yaxis"] = axis({domain: [Math.max(0, domain[0]), domain[1]]});
    notes.push({text: plain(trend.title), xref: "paper", yref: "paper", x: 0, y: domain[1] + 0.005,
      xanchor: "left", yanchor: "bottom", showarrow: false, font: {size: 12.5, color: colour("ink")}});
    traces.push(...bandOf(trend, y), ...linesOf(trend, y));
  });
  const marks = `y${panels + 1}`;
  figure[`yaxis${panels + 1}`] = {domain: [1 - 44 / height, 1], range: [-0.5, 2.5], visible: false,
    fixedrange: true};
  for (const band of data.bands) {
    const fill = colour(band.kind === "bake" ? "calm" : "warn");
    shapes.push({type: "rect", xref: "x", yref: "paper", x0: band.start, x1: band.end, y0: 0, y1: top,
      fillcolor: fill, opacity: band.kind === "bake" ? 0.09 : 0.16, line: {width: 0}, layer: "below"});
    if (!narrow() && share(band) > 0.05) notes.push({text: plain(band.name), x: band.start, xref: "x", yref: "paper",
      y: band.kind === "bake" ? 0.005 : 0.045, xanchor: "left", yanchor: "bottom", showarrow: false,
      font: {size: 10, color: colour("soft")}});
  }
  for (const mark of data.marks) {
    const [name] = MARKS[mark.what];
    shapes.push({type: "line", xref: "x", yref: "paper", x0: mark.at, x1: mark.at, y0: 0, y1: top + 0.02,
      line: {color: colour(name), width: 1, dash: mark.what === "alert_raised" ? "dot" : "solid"},
      opacity: 0.55});
  }
  traces.push({
    type: "scatter", mode: "markers", yaxis: marks, x: data.marks.map(m => m.at), cliponaxis: false,
    y: data.marks.map(placeOf), customdata: data.marks.map(m => m.link), hoverinfo: "text",
    hovertext: data.marks.map(m => `<b>${plain(m.title)}</b>, ${m.at.slice(0, 10)}<br>${wrap(m.text)}`),
    marker: {size: 11, color: data.marks.map(m => colour(MARKS[m.what][0])),
      symbol: data.marks.map(m => MARKS[m.what][1])},
  });
  Plotly.react(box, traces, {...figure, shapes, annotations: notes}, options);
}

function bandOf(trend, yaxis) {
  const at = trend.ends.map((end, k) => k).filter(k => trend.low[k] !== null);
  const side = {type: "scatter", mode: "lines", yaxis, hoverinfo: "skip", line: {width: 0},
    x: at.map(k => trend.ends[k])};
  return [{...side, y: at.map(k => trend.low[k])},
    {...side, y: at.map(k => trend.high[k]), fill: "tonexty", fillcolor: `${colour("calm")}26`}];
}

function linesOf(trend, yaxis) {
  const line = (y, style) => ({type: "scatter", mode: "lines", yaxis, x: trend.ends, y,
    hoverinfo: "skip", line: style});
  const words = trend.ends.map((end, k) => `<b>${end.slice(0, 10)}</b> ${plain(trend.title)} ` +
    `${shown(trend.values[k])}` + (trend.low[k] === null ? "" :
      `<br>interval ${shown(trend.low[k], 3)} to ${shown(trend.high[k], 3)}`) +
    (trend.rule ? `<br>over ${plain(trend.rule)} ${shown(trend.ruled[k])}, limit ${shown(trend.limits[k])}` : "") +
    `<br>holdout ${shown(trend.references[k])}`);
  return [
    line(trend.references, {color: colour("faint"), width: 1, dash: "dot", shape: "hv"}),
    line(trend.limits, {color: colour("bad"), width: 1.2, dash: "dash", shape: "hv"}),
    line(trend.ruled, {color: colour("ink"), width: 2.2}),
    {type: "scatter", mode: "lines+markers", yaxis, x: trend.ends, y: trend.values, hoverinfo: "text",
      hovertext: words, customdata: trend.ends.map(reportAt),
      line: {color: colour("calm"), width: 1.2}, marker: {size: 5, color: colour("calm")}},
  ];
}

const reportAt = end => data.reports[end.replace(" ", "T").replace(":", "")] || "";

function drawDrift(box) {
  const drift = data.drift, ratio = drift.psi.map((row, k) =>
    row.map((psi, i) => psi === null || !drift.limit[k][i] ? null : Math.min(psi / drift.limit[k][i], 2)));
  const words = drift.psi.map((row, k) => row.map((psi, i) => psi === null ? "" :
    `<b>${plain(drift.inputs[k])}</b>, ${drift.ends[i].slice(0, 10)}<br>PSI ${shown(psi, 3)}, ` +
    `limit ${shown(drift.limit[k][i], 3)}<br>${plain(drift.verdict[k][i] || "not judged")}`));
  const figure = layout(Math.max(160, drift.inputs.length * 17 + 70), {t: 4, b: 40});
  const label = name => plain(narrow() && name.length > 16 ? `${name.slice(0, 15)}…` : name);
  Plotly.react(box, [{
    type: "heatmap", x: drift.ends, y: drift.inputs.map((_, k) => k), z: ratio, zmin: 0, zmax: 2,
    hoverinfo: "text", hovertext: words, xgap: 1, ygap: 1, hoverongaps: false,
    colorscale: [[0, colour("band")], [0.49, colour("calm")], [0.5, colour("warn")], [1, colour("bad")]],
    showscale: !narrow(), colorbar: {thickness: 9, outlinewidth: 0, tickvals: [0, 0.5, 1, 1.5, 2],
      ticktext: ["0", "½", "limit", "1½", "2+"], len: Math.min(1, 220 / figure.height), y: 1, yanchor: "top"},
  }], {...figure, xaxis: axis({type: "date", showgrid: false}),
    yaxis: axis({tickvals: drift.inputs.map((_, k) => k), ticktext: drift.inputs.map(label),
      autorange: "reversed", showgrid: false, tickfont: {size: 11}})}, options);
}

function drawLoad(box) {
  const windows = data.windows, figure = layout(250, {t: 24});
  const bar = {type: "bar", x: windows.ends, y: windows.predicted, marker: {color: colour("calm"),
    opacity: 0.55}, hoverinfo: "text", hovertext: windows.ends.map((end, k) =>
      `<b>${end.slice(0, 10)}</b> ${windows.predicted[k]} predicted rows, coverage ${shown(windows.coverage[k], 2)}`)};
  const least = {type: "scatter", mode: "lines", x: windows.ends, y: windows.least, hoverinfo: "skip",
    line: {color: colour("bad"), width: 1.2, dash: "dash", shape: "hv"}};
  const speed = {type: "scatter", mode: "markers+text", xaxis: "x2", yaxis: "y2",
    x: data.latency.map(v => `v${v.version}`), y: data.latency.map(v => v.p50),
    error_y: {type: "data", symmetric: false, array: data.latency.map(v => v.p99 - v.p50),
      arrayminus: data.latency.map(() => 0), color: colour("faint"), thickness: 1},
    marker: {size: 8, color: colour("ink")}, hoverinfo: "text",
    hovertext: data.latency.map(v => `<b>version ${v.version}</b><br>${shown(v.p50, 3)} µs, p99 ${shown(v.p99, 3)} µs`)};
  const wide = data.latency.length ? 0.68 : 1, title = (text, x) => ({text, xref: "paper", yref: "paper",
    x, y: 1.02, xanchor: "left", yanchor: "bottom", showarrow: false, font: {size: 12.5, color: colour("ink")}});
  Plotly.react(box, [bar, least, ...(data.latency.length ? [speed] : [])], {...figure,
    xaxis: axis({type: "date", domain: [0, wide - 0.06], showgrid: false}), yaxis: axis({rangemode: "tozero"}),
    xaxis2: axis({domain: [wide + 0.02, 1], showgrid: false, type: "category"}),
    yaxis2: axis({anchor: "x2", rangemode: "tozero", title: {text: "µs", standoff: 4}}),
    annotations: [title("predicted rows", 0), ...(data.latency.length ? [title("one row, µs", wide + 0.02)] : [])],
  }, options);
}

const charts = [["chart-timeline", drawTimeline], ["chart-drift", drawDrift], ["chart-load", drawLoad]]
  .map(([id, draw]) => [document.getElementById(id), draw]).filter(([box]) => box);
const drawAll = () => charts.forEach(([box, draw]) => draw(box));
drawAll();
for (const [box] of charts) {
  box.on("plotly_click", event => {
    const link = event.points[0].customdata;
    if (typeof link === "string" && link) location.href = link;
  });
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
let width = innerWidth;
addEventListener("resize", () => { if (narrow() !== (width < 640)) drawAll(); width = innerWidth; });

const table = document.getElementById("versions-table"), form = document.getElementById("compare");
if (table && form.a.options.length > 1) {
  const count = form.a.options.length;
  form.hidden = false;
  form.a.selectedIndex = count - 2;
  form.b.selectedIndex = count - 1;
  for (const [k, row] of [...table.rows].entries()) {
    const cell = document.createElement(k ? "td" : "th");
    cell.className = "num";
    if (!k) cell.textContent = "difference";
    row.append(cell);
  }
  const compare = () => {
    const chosen = [form.a.selectedIndex, form.b.selectedIndex];
    for (const [k, row] of [...table.rows].entries()) {
      const cells = [...row.cells];
      for (let place = 0; place < count; place++) cells[place + 1].hidden = !chosen.includes(place);
      if (k) cells.at(-1).textContent = difference(cells[chosen[0] + 1], cells[chosen[1] + 1]);
    }
  };
  form.addEventListener("change", compare);
  compare();
}

function difference(first, second) {
  const [a, b] = [first, second].map(cell => parseFloat(cell.dataset.number));
  if (Number.isNaN(a) || Number.isNaN(b)) return "";
  const change = b - a;
  return change === 0 ? "equal" : `${change > 0 ? "+" : "−"}${shown(Math.abs(change), 3)}`;
}
