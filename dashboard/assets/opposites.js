/* What the page of opposites does without asking the server. */
(function () {
  "use strict";

  const pickOpposite = (click, categories) => {
    const category = click && categories.find((each) => each.value === String(click.points[0].customdata));
    return category ? category.label : window.dash_clientside.no_update;
  };

  const shared = { ...window.dash_clientside };
  window.dash_clientside = { ...shared, kinscape: { ...shared.kinscape, pickOpposite } };
})();
