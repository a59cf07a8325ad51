"use strict";

// Draws the figures in the colours of the page, and again when day turns to night.

const figures = JSON.parse(document.getElementById("figures").textContent);
const MIN_TOOLBAR_WIDTH = 600;
const isTouch = matchMedia("(pointer: coarse)").matches;

function template() {
  const style = getComputedStyle(document.body);
  const colour = (name) => style.getPropertyValue(name).trim();
  const axis = {
    automargin: true,
    gridcolor: colour("--grid"),
    linecolor: colour("--line"),
    showline: true,
    ticks: "",
    title: { font: { color: colour("--faint"), size: 12 } },
    tickfont: { size: 12 },
    zeroline: false,
  };
  return {
    layout: {
      annotationdefaults: { bgcolor: colour("--card"), borderpad: 1 },
      font: { color: colour("--ink"), family: style.fontFamily, size: 13 },
      hoverlabel: {
        align: "left",
        bgcolor: colour("--paper"),
        bordercolor: colour("--line"),
        font: { color: colour("--ink"), size: 12 },
      },
      legend: { bgcolor: "rgba(0,0,0,0)" },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      shapedefaults: { line: { color: colour("--line"), width: 1 } },
      xaxis: axis,
      yaxis: { ...axis, title: { ...axis.title, standoff: 8 } },
    },
  };
}

function draw() {
  const theme = template();
  for (const place of document.querySelectorAll("[data-figure]")) {
    const { data, layout } = figures[place.dataset.figure];
    Plotly.react(
      place,
      data,
      // A finger that moves over a plot scrolls the page.
      { ...layout, autosize: true, dragmode: isTouch ? false : "zoom", template: theme },
      {
        // The toolbar has the right end of the row above the plot, the legend its left end.
        displayModeBar: isTouch || place.clientWidth < MIN_TOOLBAR_WIDTH ? false : "hover",
        displaylogo: false,
        // Plotly would offer to upload the figure to its cloud.
        plotlyServerURL: "",
        showSendToCloud: false,
        modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
        responsive: true,
      },
    );
  }
}

draw();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
