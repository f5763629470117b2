// Draws the charts, and shows the galleries of the selected class.
document.getElementById("no-script").hidden = true;
document.querySelectorAll("[data-spec]").forEach((place) => {
  const spec = JSON.parse(document.getElementById(place.dataset.spec).textContent);
  spec.background = "transparent";
  vegaEmbed(place, spec, { renderer: "svg", actions: false })
    .then(() => { place.dataset.drawn = "yes"; })
    .catch((error) => { place.textContent = `This chart could not be drawn: ${error.message}`; });
});
const select = document.getElementById("class");
if (select) {
  const show = () => document.querySelectorAll("[data-class]").forEach((pair) => {
    pair.hidden = pair.dataset.class !== select.value;
  });
  select.addEventListener("change", show);
  show();
}
