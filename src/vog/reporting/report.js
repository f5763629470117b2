// Draws the charts, and shows the class that is chosen.
document.getElementById("no-script").hidden = true;
document.querySelectorAll("[data-spec]").forEach((place) => {
  const spec = JSON.parse(document.getElementById(place.dataset.spec).textContent);
  spec.background = "transparent";
  vegaEmbed(place, spec, { renderer: "svg", actions: false })
    .then(() => { place.dataset.drawn = "yes"; })
    .catch((error) => { place.textContent = `This chart could not be drawn: ${error.message}`; });
});
const chosen = document.getElementById("class");
if (chosen) {
  const show = () => document.querySelectorAll("[data-class]").forEach((one) => {
    one.hidden = one.dataset.class !== chosen.value;
  });
  chosen.addEventListener("change", show);
  show();
}
