/* About: copying the citation. */
(function () {
  "use strict";

  // Browsers give the clipboard only to pages of this machine or by https; elsewhere what is to be copied is selected.
  const select = (element) => {
    const range = document.createRange();
    range.selectNodeContents(element);
    const selection = getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
  };

  const copyCitation = async (clicks, text) => {
    const { callback_context: context } = window.dash_clientside;
    if (!clicks || !context.triggered.some((each) => each.prop_id.endsWith(".n_clicks"))) return "";
    try {
      await navigator.clipboard.writeText(text);
      return "Copied.";
    } catch (error) {
      select(document.querySelector(".about-citation code"));
      return "Selected; copy it with Ctrl+C.";
    }
  };

  const shared = { ...window.dash_clientside };
  window.dash_clientside = { ...shared, kinscape: { ...shared.kinscape, copyCitation } };
})();
