"use strict";
/* The plot of one statistic over time. All else on the page is server-rendered and needs no script but htmx. */
(() => {
  const REFRESH_MS = 15000;
  const HEIGHT = 280;
  let plot = null;
  let shown = null;

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const form = () => document.getElementById("plot-form");
  const query = (extra) => new URLSearchParams({...Object.fromEntries(new FormData(form())), ...extra});
  const path = (what, extra) => `/page/models/${form().dataset.model}/${what}?${query(extra)}`;

  function bands(u) {
    const {ctx, bbox} = u;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    for (const incident of shown.incidents) {
      const left = u.valToPos(incident.onset, "x", true);
      const right = u.valToPos(incident.closed, "x", true);
      ctx.fillStyle = colour("bad-soft");
      ctx.globalAlpha = incident.named ? 1 : 0.45;
      ctx.fillRect(left, bbox.top, Math.max(right - left, 2), bbox.height);
    }
    ctx.restore();
  }

  function markers(u) {
    const {ctx, bbox} = u;
    const line = (at, text, name, row) => {
      const x = Math.round(u.valToPos(at, "x", true));
      if (x < bbox.left || x > bbox.left + bbox.width) return;
      ctx.strokeStyle = ctx.fillStyle = colour(name);
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      const room = x + ctx.measureText(text).width + 8 < bbox.left + bbox.width;
      ctx.textAlign = room ? "left" : "right";
      ctx.fillText(text, x + (room ? 5 : -5) * devicePixelRatio, bbox.top + (14 + 14 * row) * devicePixelRatio);
    };
    ctx.save();
    ctx.lineWidth = devicePixelRatio;
    ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
    ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
    for (const incident of shown.incidents) {
      line(incident.detected, `drift found: ${incident.names.slice(0, 4).join(", ")}`, "bad", 0);
    }
    for (const change of shown.revisions) line(change.at, `revision ${change.revision}`, "accent", 1);
    ctx.restore();
  }

  const DAY = uPlot.fmtDate("{D} {MMM}");
  const HOUR = uPlot.fmtDate("{D} {MMM} {HH}:{mm}");

  function days(_, splits, axis, space, step) {
    const write = step >= 86400 ? DAY : HOUR;
    return splits.map((seconds) => write(utc(seconds)));
  }

  const utc = (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC");

  function draw() {
    const box = document.getElementById("plot");
    if (plot) plot.destroy();
    const axis = {
      stroke: colour("muted"), font: "12px system-ui, sans-serif",
      grid: {stroke: colour("grid"), width: 1}, ticks: {stroke: colour("grid"), width: 1},
    };
    const label = form().elements.statistic.selectedOptions[0].text;
    const options = {
      width: box.clientWidth,
      height: HEIGHT,
      tzDate: utc,
      scales: {x: {range: () => [shown.start, shown.end]}},
      axes: [{...axis, values: days, space: 70}, {...axis, size: 64}],
      series: [
        {label: "Time", value: "{D} {MMM} {YYYY} {HH}:{mm} UTC"},
        {
          label, stroke: colour("accent"), width: 1.5, spanGaps: false,
          points: {show: shown.times.length < 200, size: 4},
          value: (_, value) => (value == null ? "\u2014" : value.toPrecision(4)),
        },
      ],
      hooks: {drawClear: [bands], draw: [markers]},
    };
    plot = new uPlot(options, [shown.times, shown.values], box);
    plot.over.addEventListener("click", choose);
    note();
  }

  function note() {
    const values = shown.values.filter((value) => value != null).length;
    const thinned = shown.windows.some((count) => count > 1);
    const windows = shown.windows.reduce((sum, count) => sum + count, 0);
    const text = values === 0
      ? "This statistic has no value here."
      : `${windows} windows${thinned ? ", each point the greatest of its windows" : ""}. Choose a point to see its histogram.`;
    document.getElementById("plot-note").textContent = text;
    document.getElementById("plot").dataset.points = values;
  }

  function choose() {
    const at = shown.times[plot.cursor.idx ?? -1];
    if (at !== undefined) histogram({at, width: shown.bucket_seconds});
  }

  const histogram = (extra) => htmx.ajax("GET", path("histogram", extra), {target: "#histogram", swap: "innerHTML"});

  async function load() {
    const answer = await fetch(path("series", {}), {headers: {"HX-Request": "true"}});
    if (!answer.ok) return;
    shown = await answer.json();
    draw();
  }

  function refresh() {
    if (form() && !document.hidden) load().catch(() => {});
  }

  function start() {
    const box = document.getElementById("plot");
    if (!box || box.dataset.started) return;
    box.dataset.started = "yes";
    form().addEventListener("change", () => load().then(() => histogram({})));
    load().then(() => histogram({}));
    setInterval(refresh, REFRESH_MS);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => shown && draw());
    new ResizeObserver(() => plot && plot.setSize({width: box.clientWidth, height: HEIGHT})).observe(box);
  }

  document.addEventListener("DOMContentLoaded", start);
  document.addEventListener("htmx:before:request", (event) => {
    if (event.detail.ctx.request.method.toUpperCase() === "POST") document.getElementById("said").replaceChildren();
  });
  document.addEventListener("htmx:after:swap", start); // the first window may close while the page is open
})();
