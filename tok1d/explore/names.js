// Names for screen readers: Jupyter's sliders and pictures have none of their own
function name(root) {
  for (const handle of root.querySelectorAll('.noUi-handle')) {
    const label = handle.closest('.jupyter-widgets')?.querySelector('.widget-label')
    if (label?.textContent) handle.setAttribute('aria-label', label.textContent)
  }
  for (const picture of root.querySelectorAll('img.widget-image')) {
    if (picture.alt !== picture.title) picture.alt = picture.title
  }
}

function render({ el }) {
  el.style.display = 'none'
  let seen = null
  // the explorer is put around this element only after it has been rendered
  let wait = requestAnimationFrame(function find() {
    const root = el.closest('.tok1d-explorer')
    if (!root) {
      wait = requestAnimationFrame(find)
      return
    }
    name(root)
    seen = new MutationObserver(() => name(root))
    seen.observe(root, { childList: true, subtree: true, attributeFilter: ['title'] })
  })
  return () => {
    cancelAnimationFrame(wait)
    seen?.disconnect()
  }
}

export default { render }
