/* What the map does without asking the server. */
(function () {
  "use strict";

  const WELCOMED = "kinscape-welcomed";

  const pick = (picked, click, categories) => {
    const { no_update: same, callback_context: context } = window.dash_clientside;
    const bySearch = context.triggered.some((each) => !each.prop_id.endsWith(".clickData"));
    const index = bySearch ? picked : click && click.points[0].customdata;
    const category = categories.find((each) => each.value === String(index));
    return [category ? category.label : same, picked ? null : same];
  };

  const close = (hidden) => {
    try {
      if (hidden) localStorage.setItem(WELCOMED, "yes");
    } catch (error) { /* a browser without storage forgets */ }
  };

  const shared = { ...window.dash_clientside };
  window.dash_clientside = { ...shared, kinscape: { ...shared.kinscape, pick, close } };
})();
