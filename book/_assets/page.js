// What the theme leaves out. A formula that is wider than its box scrolls: the keyboard must reach the box. Paper is
// white: print in the light theme, whatever is on the screen.
const reach = new ResizeObserver(entries => entries.forEach(({target}) => {
  for (const box of [target, ...target.querySelectorAll("mjx-container")]) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}));
document.querySelectorAll("div.math").forEach(formula => reach.observe(formula));

const root = document.documentElement;
let theme;
window.addEventListener("beforeprint", () => { theme = root.dataset.theme; root.dataset.theme = "light"; });
window.addEventListener("afterprint", () => { root.dataset.theme = theme; });
