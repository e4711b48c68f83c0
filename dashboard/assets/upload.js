/* Photographs that are dropped or chosen: what is too large or no picture is told at once, and goes nowhere. */
(function () {
  "use strict";

  const shown = new Map(); // addresses in this browser of what was sent, by job
  let latest = null;

  const findFile = (event) => {
    const files = event.type === "drop" ? event.dataTransfer.files : event.target.files;
    return files && files[0];
  };

  const refuse = (event) => {
    const drop = event.target.closest && event.target.closest(".kin-drop");
    const file = drop && findFile(event);
    if (!file) return;
    const { largest, types, large, other, note } = drop.dataset;
    const wrong = file.size > Number(largest) ? large : types.split(",").includes(file.type) ? "" : other;
    window.dash_clientside.set_props(note, { children: wrong });
    if (!wrong) {
      latest = file;
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    if (event.type === "change") event.target.value = "";
    // What was dragged over it has left it.
    drop.querySelector(".kin-drop-field").classList.remove("kin-drop-over");
  };
  // Before the upload itself hears of them.
  document.addEventListener("change", refuse, true);
  document.addEventListener("drop", refuse, true);

  const showUpload = (job) => {
    if (job && latest && !shown.has(job)) {
      shown.forEach((address) => URL.revokeObjectURL(address));
      shown.clear();
      shown.set(job, URL.createObjectURL(latest));
      latest = null;
    }
    const address = shown.get(job);
    return [address || "", { display: address ? "block" : "none" }];
  };

  const shared = { ...window.dash_clientside };
  window.dash_clientside = { ...shared, kinscape: { ...shared.kinscape, showUpload } };
})();
