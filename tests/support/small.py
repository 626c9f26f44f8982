"Networks tinier than what ships, for tests that train"


def vit(size='64x2x2'):
    "Overrides that give encoder and decoder of a tokenizer a size, width x layers x heads"
    return [f'model.vq_model.vit_{side}_model_size={size}' for side in ('enc', 'dec')]
