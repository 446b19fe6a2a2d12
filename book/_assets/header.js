// From the disk a browser shows a linked notebook as text and does not save it. There, take the notebook from the script
// beside it, NAME.ipynb.js, which hands its text over, and save that.
if (location.protocol === "file:") {
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a.bfs-pill[download]");
    if (!link) return;
    event.preventDefault();
    window.bfsSave = (text) => {
      const saved = document.createElement("a");
      saved.href = URL.createObjectURL(new Blob([text], { type: "application/x-ipynb+json" }));
      saved.download = link.pathname.split("/").pop();
      saved.click();
      URL.revokeObjectURL(saved.href);
    };
    const script = document.createElement("script");
    script.src = `${link.href}.js`;
    script.onerror = () => location.assign(link.href);
    document.head.append(script);
  });
}
