// A line of tokens as a control; what it is for: nbs/explore/32_strip.ipynb

const between = (a, b) => Array.from({length: Math.abs(b - a) + 1}, (_, i) => Math.min(a, b) + i)

class Strip {
  constructor(model, el) {
    this.model = model
    this.anchor = model.get('cursor')
    this.line = document.createElement('div')
    this.line.className = 'tok1d-strip-line'
    this.line.tabIndex = 0
    this.line.setAttribute('role', 'listbox')
    this.line.setAttribute('aria-multiselectable', 'true')
    this.line.setAttribute('aria-orientation', 'horizontal')
    this.line.dataset.lmSuppressShortcuts = 'true'  // JupyterLab's own keys stay out
    this.said = document.createElement('div')
    this.said.className = 'tok1d-strip-said'
    this.said.setAttribute('aria-hidden', 'true')   // a screen reader hears the token itself
    el.classList.add('tok1d-strip')
    el.append(this.line, this.said)
    this.listen()
    this.build()
  }

  listen() {
    this.changes = {
      'change:labels': () => this.build(),
      'change:colours change:inks change:shades change:notes change:dropped change:name': () => this.paint(),
      'change:selected change:cursor': () => this.paint(),
    }
    for (const [what, f] of Object.entries(this.changes)) this.model.on(what, f)
    this.line.addEventListener('keydown', e => this.key(e))
    this.line.addEventListener('pointerdown', e => this.press(e))
    this.line.addEventListener('pointermove', e => this.drag(e))
    this.line.addEventListener('pointerup', () => { this.dragging = false })
    this.line.addEventListener('pointercancel', () => { this.dragging = false })
    this.line.addEventListener('dblclick', e => this.at(e) >= 0 && this.toggle())
    this.line.addEventListener('pointerover', e => this.say(this.at(e)))
    this.line.addEventListener('pointerleave', () => this.say())
  }

  free() { for (const [what, f] of Object.entries(this.changes)) this.model.off(what, f) }

  // what is shown

  build() {
    const id = `tok1d-${Math.random().toString(36).slice(2)}`
    this.tokens = this.model.get('labels').map((label, i) => {
      const token = document.createElement('div')
      token.id = `${id}-${i}`
      token.dataset.place = i
      token.setAttribute('role', 'option')
      token.innerHTML = '<span class="tok1d-id"></span><span class="tok1d-share"><i></i></span>'
      return token
    })
    this.line.replaceChildren(...this.tokens)
    this.line.classList.toggle('tok1d-many', this.tokens.length > 64)
    this.paint()
  }

  words(i) {
    const [label, note] = [this.model.get('labels')[i], this.model.get('notes')[i]]
    const gone = this.model.get('dropped').includes(i) ? 'dropped' : ''
    return [`token ${i}`, `${this.model.get('what')} ${label}`, gone, note].filter(Boolean).join(', ')
  }

  paint() {
    const get = name => this.model.get(name)
    const [dropped, selected] = [new Set(get('dropped')), new Set(get('selected'))]
    this.tokens.forEach((token, i) => {
      token.querySelector('.tok1d-id').textContent = get('labels')[i]
      token.style.setProperty('--code', get('colours')[i] ?? 'transparent')
      token.style.setProperty('--ink', get('inks')[i] ?? 'currentColor')
      token.style.setProperty('--share', `${100 * (get('shades')[i] ?? 0)}%`)
      token.classList.toggle('tok1d-gone', dropped.has(i))
      token.classList.toggle('tok1d-here', i === get('cursor'))
      token.setAttribute('aria-selected', selected.has(i))
      token.setAttribute('aria-label', this.words(i))
      token.title = this.words(i)
    })
    this.line.classList.toggle('tok1d-shaded', get('shades').length > 0)
    this.line.setAttribute('aria-label', get('name'))
    this.line.setAttribute('aria-activedescendant', this.tokens[get('cursor')]?.id ?? '')
    this.say()
  }

  say(i = -1) {
    const chosen = this.model.get('selected').length
    const here = this.tokens.length ? this.words(i < 0 ? this.model.get('cursor') : i) : ''
    this.said.textContent = here + (i < 0 && chosen > 1 ? ` (${chosen} selected)` : '')
  }

  // what a hand does

  set(changes) {
    this.model.set(changes)
    this.model.save_changes()
  }

  move(to, extend) {
    const cursor = Math.max(0, Math.min(this.tokens.length - 1, to))
    if (!extend) this.anchor = cursor
    this.set({cursor, selected: between(Math.min(this.anchor, this.tokens.length - 1), cursor)})
  }

  drop(places) {
    this.set({dropped: [...new Set([...this.model.get('dropped'), ...places])].sort((a, b) => a - b)})
  }

  toggle() {
    const [dropped, chosen] = [this.model.get('dropped'), this.chosen()]
    if (!chosen.every(i => dropped.includes(i))) return this.drop(chosen)
    this.set({dropped: dropped.filter(i => !chosen.includes(i))})
  }

  chosen() {
    const selected = this.model.get('selected')
    return selected.length ? selected : [this.model.get('cursor')]
  }

  columns() {
    const top = this.tokens[0].offsetTop
    const next = this.tokens.findIndex(token => token.offsetTop > top)
    return next < 0 ? this.tokens.length : next
  }

  key(e) {
    if (!this.tokens.length) return
    const command = e.ctrlKey || e.metaKey
    const [last, here] = [this.tokens.length - 1, this.model.get('cursor')]
    const to = {
      ArrowLeft: here - 1, ArrowRight: here + 1, Home: 0, End: last,
      ArrowUp: here - this.columns(), ArrowDown: here + this.columns(),
    }[e.key]
    if (to !== undefined && !command && !e.altKey) {
      if (to >= 0 && to <= last || !/Up|Down/.test(e.key)) this.move(to, e.shiftKey)
    }
    else if (e.key === ' ' && !command) this.toggle()
    else if ((e.key === 'Delete' || e.key === 'Backspace') && !command) this.drop(this.chosen())
    else if (e.key === 'Escape') this.move(here)
    else if (command && e.key === 'a') this.set({selected: between(0, last)})
    else if (command && /^[yz]$/i.test(e.key)) {
      this.model.send({do: e.key.toLowerCase() === 'y' || e.shiftKey ? 'redo' : 'undo'})
    }
    else return
    e.preventDefault()
    e.stopPropagation()
  }

  at(e) {
    const there = document.elementFromPoint(e.clientX, e.clientY)?.closest?.('[data-place]')
    return this.line.contains(there) ? +there.dataset.place : -1
  }

  press(e) {
    const i = this.at(e)
    if (i < 0 || e.button) return
    if (e.ctrlKey || e.metaKey) return this.flip(i)
    this.dragging = true
    this.move(i, e.shiftKey)
  }

  flip(i) {
    const selected = this.model.get('selected')
    const others = selected.filter(j => j !== i)
    this.anchor = i
    this.set({cursor: i, selected: others.length < selected.length ? others : [...others, i].sort((a, b) => a - b)})
  }

  drag(e) {
    const i = this.dragging && e.buttons ? this.at(e) : -1
    if (i >= 0 && i !== this.model.get('cursor')) this.move(i, true)
  }
}

export default {
  render({model, el}) {
    const strip = new Strip(model, el)
    return () => strip.free()
  }
}
