// The token strip of the package as a part of a Gradio page: this object stands for a widget's model
const plain = {name: 'tokens', what: 'code', labels: [], colours: [], inks: [], shades: [],
               notes: [], dropped: [], selected: [], cursor: 0}
const state = {...plain, ...props.value}
const heard = {}
let changed = {}
let turn = 0  // counts what a hand did: an answer to something older is not shown

function fire(names) {
  const what = names.map(name => `change:${name}`)
  const now = Object.keys(heard).filter(events => events.split(' ').some(e => what.includes(e)))
  now.forEach(events => heard[events]())
}

// what a hand did goes to a box of its own: answers of the server fill this part, and would undo it
function tell(asked = '') {
  turn += 1
  const {selected, cursor, dropped} = state
  const box = document.querySelector('#bench-said textarea')
  box.value = JSON.stringify({selected, cursor, dropped, asked, turn})
  box.dispatchEvent(new Event('input', {bubbles: true}))
}

const model = {
  get: name => state[name],
  set: changes => { changed = {...changed, ...changes} },
  on: (events, f) => { heard[events] = f },
  off: events => { delete heard[events] },
  send: message => tell(message.do),
  save_changes() {
    const names = Object.keys(changed)
    Object.assign(state, changed)
    changed = {}
    fire(names)
    tell()
  }
}

const source = URL.createObjectURL(new Blob([MODULE], {type: 'text/javascript'}))

function hear() {
  const said = props.value ?? {}
  if ((said.turn ?? turn) < turn) return
  const {selected, cursor, ...rest} = said
  Object.assign(state, plain, rest, {selected: state.selected, cursor: state.cursor})
  const last = Math.max(0, state.labels.length - 1)
  state.selected = state.selected.filter(i => i <= last)
  state.cursor = Math.min(state.cursor, last)
  fire(Object.keys(plain))
}

watch('value', hear)  // before the module is there: the first answer may come earlier
import(source).then(module => {
  module.default.render({model, el: element.querySelector('.strip')})
  hear()
})
